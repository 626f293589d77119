import type { Clock } from '#libs/clock/clock.js';
import { DomainError } from '#libs/contracts/index.js';
import { BlobNotFound, type ContentStore } from './content-store.js';
import { lacking } from './lacking.js';
import { PinBook } from './pin-book.js';
import type { CollectableStore, Pin, StoredBlob } from './pins.js';

/** Thrown when nobody knows what a pin keeps: collecting on would lose more. */
export class PinnedManifestMissing extends DomainError {
  override readonly name = 'PinnedManifestMissing';
  constructor(pin: string, cause: BlobNotFound) {
    super(
      `the pin ${pin} keeps the manifest ${cause.digest}, which the content store has not`,
      'restore the blob, or remove the pin if its content is not needed any more',
      { cause },
    );
  }
}

/** What a collection did. */
export interface Collected {
  /** False when somebody held content: what was not removed yet stays until the next time. */
  readonly isComplete: boolean;
  readonly keptBlobs: number;
  readonly removedBlobs: number;
  readonly removedBytes: number;
}

export interface CollectOptions {
  readonly clock: Clock;
  /** Younger blobs stay even if nobody pinned them yet. */
  readonly graceMs?: number;
}

/** A day: longer than any upload or build goes without a pin. */
export const defaultGraceMs = 24 * 60 * 60 * 1000;
const batchBlobs = 256;

/**
 * How many pins keep each blob. The counts are never stored, only the pins are: no crash can make
 * them wrong.
 * @throws PinnedManifestMissing
 */
export class ReferenceCounts {
  private readonly counts = new Map<string, number>();
  private readonly counted = new Map<string, string>();

  constructor(private readonly store: ContentStore) {}

  of(digest: string): number {
    return this.counts.get(digest) ?? 0;
  }

  get digests(): Iterable<string> {
    return this.counts.keys();
  }

  /** Adds the pins that were not counted before. */
  async add(pins: ReadonlyMap<string, Pin>): Promise<void> {
    for (const [name, pin] of pins) {
      const content = JSON.stringify(pin);
      if (this.counted.get(name) === content) continue;
      for (const digest of await this.keptBy(name, pin)) {
        this.counts.set(digest, this.of(digest) + 1);
      }
      this.counted.set(name, content);
    }
  }

  private async keptBy(name: string, pin: Pin): Promise<Set<string>> {
    const kept = new Set([...pin.blobs, ...pin.manifests]);
    try {
      for (const manifest of pin.manifests) {
        for (const entry of await this.store.readManifest(manifest)) {
          if (entry.type === 'file') kept.add(entry.digest);
        }
      }
    } catch (error) {
      throw error instanceof BlobNotFound ? new PinnedManifestMissing(name, error) : error;
    }
    return kept;
  }
}

/**
 * Removes the blobs that no pin keeps. May be killed at any moment and run beside writers.
 * @throws PinnedManifestMissing, MalformedManifest, MalformedPin: then nothing was removed
 */
export async function collectGarbage(
  store: ContentStore & CollectableStore,
  { clock, graceMs = defaultGraceMs }: CollectOptions,
): Promise<Collected> {
  const book = new PinBook(store.shelf, clock);
  const counts = new ReferenceCounts(store);
  await counts.add(await book.pins());
  const beforeMs = clock.nowMs() - graceMs;
  const unwanted: StoredBlob[] = [];
  let keptBlobs = 0;
  for await (const blob of store.blobs()) {
    if (counts.of(blob.digest) === 0 && blob.modifiedMs < beforeMs) unwanted.push(blob);
    else keptBlobs++;
  }
  const removed: StoredBlob[] = [];
  for (let at = 0; at < unwanted.length; at += batchBlobs) {
    const batch = unwanted.slice(at, at + batchBlobs);
    const ran = await book.sweep(async () => {
      // A blob may have been pinned since.
      await counts.add(await book.pins());
      for (const blob of batch) {
        if (counts.of(blob.digest) > 0) continue;
        if (await store.remove(blob.digest, beforeMs)) removed.push(blob);
      }
    });
    if (!ran) break;
  }
  return {
    isComplete: removed.length === unwanted.length,
    keptBlobs: keptBlobs + unwanted.length - removed.length,
    removedBlobs: removed.length,
    removedBytes: removed.reduce((sum, blob) => sum + blob.sizeBytes, 0),
  };
}

/** Blobs that pins keep and the store has not, sorted. @throws PinnedManifestMissing */
export async function missingBlobs(
  store: ContentStore & CollectableStore,
  clock: Clock,
): Promise<string[]> {
  const counts = new ReferenceCounts(store);
  await counts.add(await new PinBook(store.shelf, clock).pins());
  const blobs = [...counts.digests].map((digest) => ({ digest }));
  return (await lacking(store, blobs)).map(({ digest }) => digest).sort();
}
