import { create } from '@bufbuild/protobuf';
import type { Cancel, Clock } from '#libs/clock/clock.js';
import { type StagingLook, type StagingSeen, StagingSeenSchema } from '#libs/contracts/index.js';

/** Tells what a tree looks like, at once and when it has changed. @returns ends the watch */
export type WatchTree = (
  directory: string,
  quietMs: number,
  seen: (fingerprint: string) => void,
) => () => void;

interface Watch {
  fingerprint: string;
  readonly end: () => void;
  cancelEnd: Cancel;
}

/** A tree that nobody has asked for so long is not watched any more. */
const forgottenMs = 60_000;

/** Sees changes of the trees that are staged here, for the jobs that they make run. */
export class StagingSight {
  private readonly watches = new Map<string, Watch>();

  constructor(
    /** The directory of each site that is staged here. */
    private readonly directories: ReadonlyMap<string, string>,
    private readonly watch: WatchTree,
    private readonly clock: Clock,
    private readonly log: (line: string) => void,
  ) {}

  /** What the tree looks like; the first time that it is asked for, watching it begins. */
  look({ site, quietMs }: StagingLook): StagingSeen {
    const directory = this.directories.get(site);
    if (directory === undefined) return create(StagingSeenSchema);
    const key = `${site} ${quietMs}`;
    const watch = this.watches.get(key) ?? this.begin(key, directory, Number(quietMs));
    watch.cancelEnd();
    watch.cancelEnd = this.clock.schedule(forgottenMs, () => this.end(key, watch));
    return create(StagingSeenSchema, { fingerprint: watch.fingerprint });
  }

  close(): void {
    for (const [key, watch] of this.watches) this.end(key, watch);
  }

  private begin(key: string, directory: string, quietMs: number): Watch {
    this.log(`watching ${directory} for changes`);
    const end = this.watch(directory, quietMs, (fingerprint) => {
      watch.fingerprint = fingerprint;
    });
    const watch: Watch = { fingerprint: '', end, cancelEnd: () => undefined };
    this.watches.set(key, watch);
    return watch;
  }

  private end(key: string, { end, cancelEnd }: Watch): void {
    this.watches.delete(key);
    cancelEnd();
    end();
  }
}
