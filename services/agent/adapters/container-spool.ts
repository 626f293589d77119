import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#libs/clock/clock.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';
import { ArrivingContainer } from './arriving-container.js';
import { SpoolFailed } from './pull-request.js';
import { type ReadableContainer, WholeContainers } from './readable-container.js';

/** What others leave in the directory meanwhile is found by then. */
const lookEveryMs = 300_000;

/** Received assignments on disk: `<digest>.part` while one arrives, `<digest>.container` after. */
export class ContainerSpool {
  private readonly whole = new WholeContainers();
  private readonly arrivals = new Map<string, ArrivingContainer>();
  private readonly awaited = new Map<string, Set<() => void>>();
  /** What may come before the directory has to be looked at again: a look costs a call per file. */
  private roomBytes = 0;
  private lookedMs = Number.NEGATIVE_INFINITY;

  private constructor(
    private readonly directory: string,
    private readonly budgetBytes: number,
    private readonly clock: Clock,
  ) {}

  static async open(directory: string, budgetBytes: number, clock: Clock): Promise<ContainerSpool> {
    await mkdir(directory, { recursive: true });
    return new ContainerSpool(directory, budgetBytes, clock);
  }

  partPath(digest: string): string {
    return join(this.directory, `${digest}.part`);
  }

  containerPath(digest: string): string {
    return join(this.directory, `${digest}.container`);
  }

  /** The path of a whole container, or `undefined`. */
  async find(digest: string): Promise<string | undefined> {
    const path = this.containerPath(digest);
    try {
      await stat(path);
      return path;
    } catch {
      return undefined;
    }
  }

  /** A container that is here, that arrives now, or that begins to within `waitMs`; in use. */
  async open(digest: string, waitMs: number): Promise<ReadableContainer | undefined> {
    const arriving = this.arrivals.get(digest)?.use();
    if (arriving) return arriving;
    const whole = await this.whole.open(this.containerPath(digest));
    if (whole) return whole;
    const begun = await this.arrivingWithin(digest, waitMs);
    return begun?.use() ?? this.whole.open(this.containerPath(digest));
  }

  /** A container that arrives now or begins to within `waitMs`. */
  async arrivingWithin(digest: string, waitMs: number): Promise<ArrivingContainer | undefined> {
    if (!this.arrivals.has(digest) && waitMs > 0) await this.beginning(digest, waitMs);
    return this.arrivals.get(digest);
  }

  close(): Promise<void> {
    return this.whole.closeAll();
  }

  /**
   * Lets `fill` bring a container here; others may read what it has brought while it goes on.
   * @returns its path when `fill` brought everything
   * @throws SpoolFailed, and what `fill` throws
   */
  async receive(
    digest: string,
    containerBytes: number,
    trust: TrustRoot,
    fill: (arriving: ArrivingContainer) => Promise<void>,
  ): Promise<string> {
    await this.makeRoom(digest, containerBytes);
    const file = await openPart(this.partPath(digest));
    const arriving = new ArrivingContainer(file, containerBytes, trust, this.clock);
    try {
      await arriving.resume();
      this.arrivals.set(digest, arriving);
      for (const begun of [...(this.awaited.get(digest) ?? [])]) begun();
      await fill(arriving);
      await arriving.written();
      return await this.complete(digest);
    } finally {
      this.arrivals.delete(digest);
      arriving.close();
      await arriving.release();
    }
  }

  /**
   * A part file is whole and verified.
   * @param unforeseenBytes its length, where no room was made for it
   * @returns its new path
   */
  async complete(digest: string, unforeseenBytes = 0): Promise<string> {
    const path = this.containerPath(digest);
    await rename(this.partPath(digest), path);
    this.roomBytes -= unforeseenBytes;
    await this.prune(path);
    return path;
  }

  private beginning(digest: string, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.awaited.get(digest) ?? new Set();
      this.awaited.set(digest, waiting);
      const done = () => {
        cancel();
        waiting.delete(done);
        if (waiting.size === 0) this.awaited.delete(digest);
        resolve();
      };
      const cancel = this.clock.schedule(waitMs, done);
      waiting.add(done);
    });
  }

  private async makeRoom(digest: string, containerBytes: number): Promise<void> {
    const { budgetBytes } = this;
    if (containerBytes > budgetBytes) {
      const what = `${containerBytes} bytes do not fit into the spool's budget of ${budgetBytes}`;
      throw new SpoolFailed(`${what}: raise --spool-budget-bytes`);
    }
    this.roomBytes -= containerBytes;
    await this.prune(this.partPath(digest), containerBytes);
  }

  /** Removes the oldest containers beyond the budget, never the newest or one that arrives. */
  private async prune(newest: string, comingBytes = 0): Promise<void> {
    const nowMs = this.clock.nowMs();
    if (this.roomBytes >= 0 && Math.abs(nowMs - this.lookedMs) < lookEveryMs) return;
    this.lookedMs = nowMs;
    const kept = new Set([newest, ...[...this.arrivals.keys()].map((key) => this.partPath(key))]);
    const paths = (await readdir(this.directory)).map((name) => join(this.directory, name));
    const files = await Promise.all(paths.map(sizeAndTime));
    let totalBytes = comingBytes;
    let keptBytes = comingBytes;
    for (const file of files.sort((a, b) => b.mtimeMs - a.mtimeMs)) {
      totalBytes += file.sizeBytes;
      if (totalBytes > this.budgetBytes && !kept.has(file.path)) {
        await this.whole.close(file.path);
        await rm(file.path, { force: true });
      } else keptBytes += file.sizeBytes;
    }
    this.roomBytes = this.budgetBytes - keptBytes;
  }
}

/** As it was left, or anew. */
function openPart(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDWR | constants.O_CREAT);
}

/** A file that has gone meanwhile takes no room. */
async function sizeAndTime(path: string) {
  try {
    const { size, mtimeMs } = await stat(path);
    return { path, sizeBytes: size, mtimeMs };
  } catch {
    return { path, sizeBytes: 0, mtimeMs: 0 };
  }
}
