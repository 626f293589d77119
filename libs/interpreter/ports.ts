import type { Clock } from '#libs/clock/clock.js';
import type { Manifest } from '#libs/content-store/manifest.js';
import type { DataSlice } from '#libs/contracts/index.js';
import type { TakeMemory } from '#libs/native/work-memory.js';
import type { BuildCounts } from './build-counts.js';
import type { Step } from './plan.js';
import type { Hook, Probe } from './site-policy.js';

/** The data file of an assignment, every block verified before it is handed out. */
export interface ContentSource {
  /** A slice's content, decompressed; refuses content longer than `maxBytes`. */
  read(slice: DataSlice, maxBytes: number): Promise<Uint8Array>;
  /** The same in pieces, in bounded memory. */
  stream(slice: DataSlice, maxBytes: number): AsyncIterable<Uint8Array>;
}

/** Names of the moments at which a crash is injected by tests. */
export const failpoints = [
  'preparing-journaled',
  'tree-built',
  'tree-synced',
  'version-placed',
  'prepared-journaled',
  'switching-journaled',
  'live-staged',
  'live-replaced',
  'backup-replaced',
  'switched-journaled',
] as const;
export type Failpoint = (typeof failpoints)[number];

/** Programs and addresses of the host that a site's policy names. */
export interface HostPrograms {
  /** Why the program failed, or undefined. Its time, output and leftovers are limited. */
  runHook(hook: Hook, variables: Readonly<Record<string, string>>): Promise<string | undefined>;
  /** Why the site is not healthy once the probe's time is up, or undefined as soon as it is. */
  probe(probe: Probe, variables: Readonly<Record<string, string>>): Promise<string | undefined>;
}

/**
 * A plug-in for another kind of host, which this agent acts for: the interpreter plans, journals
 * and decides as ever; the versions are there. Every call may be repeated.
 */
export interface OtherHost {
  /** Registered by the agent; the builder chooses the command set by it. */
  readonly agentType: string;
  /**
   * Makes a whole version, and checks it against the manifest. After an error nothing of it is
   * left.
   * @throws WrongContent, UnsupportedAssignment, OtherHostFailed
   */
  build(version: OtherVersion): Promise<BuildCounts>;
  /** Makes a version live in one step. @throws OtherHostFailed */
  switchTo(site: string, sequence: number): Promise<void>;
  /** Versions that are not needed any more. @throws OtherHostFailed */
  remove(site: string, sequences: readonly number[]): Promise<void>;
}

/** A host that is reached through its shell. */
export interface ShellHostOptions {
  /** What runs the script that is its last argument: `["ssh", "web7"]`, `["sh", "-c"]`. */
  readonly command: readonly string[];
  /** Where versions and the link `live` are on that host. */
  readonly directory: string;
}

/** What is to be made on another host. */
export interface OtherVersion {
  readonly site: string;
  readonly sequence: number;
  /** Undefined: it starts from nothing. */
  readonly baseSequence?: number | undefined;
  readonly steps: readonly Step[];
  readonly result: Manifest;
  readonly data: ContentSource;
}

/** What the interpreter needs of its host. */
export interface InterpreterPorts {
  readonly clock: Clock;
  /** Makes everything written to the file system of `path` durable. An error is final. */
  syncFilesystem(path: string): void | Promise<void>;
  /**
   * Decodes a zstd frame whose reference prefix is `base`; refuses a result longer than `maxBytes`.
   * @param take may give the memory of the result
   */
  decodePatch(
    frame: Uint8Array,
    base: Uint8Array,
    maxBytes: number,
    take?: TakeMemory,
  ): Uint8Array | Promise<Uint8Array>;
  /** Where versions are made and switched, if not here. */
  readonly otherHost?: OtherHost;
  /** Without it nothing is run: a policy that names a hook or a probe fails. */
  readonly programs?: HostPrograms;
  /** Called at each failpoint; tests crash there. */
  failpoint?(name: Failpoint): void;
}
