import { availableParallelism } from 'node:os';
import { timeSlice } from '#libs/content-store/adapters/time-slice.js';
import type { ContentStore } from '#libs/content-store/content-store.js';
import type { FileEntry } from '#libs/content-store/manifest.js';
import { SketchThread } from '#libs/delta/adapters/sketch-thread.js';
import { type Sketch, SketchBuilder, sketchOf } from '#libs/delta/sketch.js';
import type { WorkMemory } from '#libs/native/work-memory.js';
import { contentOf } from './blob-bytes.js';

/** Less is sketched sooner than a thread starts. */
const worthThreadBytes = 16 * 1024 ** 2;
/** Larger files are read in pieces. */
const mostInMemoryBytes = 4 * 1024 ** 2;
const sliceMs = 20;

/** Sketches of files whose content is stored: made by another thread where much is to be read. */
export class Sketches {
  private readonly thread: SketchThread | undefined;
  private readonly pause = timeSlice(sliceMs);

  /** @param bytes about how much will be read */
  constructor(
    private readonly store: ContentStore,
    private readonly memory: WorkMemory,
    bytes: number,
  ) {
    const isWorth = bytes >= worthThreadBytes && availableParallelism() > 1;
    this.thread = isWorth ? new SketchThread() : undefined;
  }

  /** @throws BlobNotFound, RangeOutsideBlob for a blob of another length */
  async of(file: FileEntry): Promise<Sketch> {
    const known = await this.thread?.sketch(await this.store.localPath(file.digest));
    return known ?? this.here(file);
  }

  async close(): Promise<void> {
    await this.thread?.close();
  }

  private async here(file: FileEntry): Promise<Sketch> {
    await this.pause();
    if (file.sizeBytes <= mostInMemoryBytes) {
      return this.memory.lend(async (take) => sketchOf(await contentOf(this.store, file, take)));
    }
    const builder = new SketchBuilder();
    for await (const piece of this.store.read(file.digest)) builder.add(piece);
    return builder.finish();
  }
}
