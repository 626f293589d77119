import type { Clock } from '#libs/clock/clock.js';
import type { DataSlice } from '#libs/contracts/index.js';
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

/** What the interpreter needs of its host. */
export interface InterpreterPorts {
  readonly clock: Clock;
  /** Makes everything written to the file system of `path` durable. An error is final. */
  syncFilesystem(path: string): void | Promise<void>;
  /**
   * Decodes a zstd frame whose reference prefix is `base`; refuses a result longer than `maxBytes`.
   */
  decodePatch(
    frame: Uint8Array,
    base: Uint8Array,
    maxBytes: number,
  ): Uint8Array | Promise<Uint8Array>;
  /** Without it nothing is run: a policy that names a hook or a probe fails. */
  readonly programs?: HostPrograms;
  /** Called at each failpoint; tests crash there. */
  failpoint?(name: Failpoint): void;
}
