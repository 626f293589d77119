/** What a file's content is like: hashes of the chunks that its content cuts it into. */
export type Sketch = readonly number[];

/** Smaller content says too little about itself. */
export const smallestSketchedBytes = 2048;
/** As many of its chunks as speak for a file. */
const features = 256;
/** Part of the features that similar files share at least. */
const enoughShared = 0.015;
const smallestChunkBytes = 64;
/** What more files have in common, licences for example, tells nothing of them. */
const mostPerFeature = 32;
/** One byte in 512 ends a chunk. */
const cutMask = 0x1ff << 20;
const multiplier = 0x01000193;

/** One random number per byte value; the same in every process. */
const gear = Int32Array.from({ length: 256 }, (_, byte) => {
  let word = Math.imul(byte + 1, 0x9e3779b1);
  word = Math.imul(word ^ (word >>> 15), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return word ^ (word >>> 16);
});

/** The smallest hashes of a file's chunks: files that share content share some of them. */
export function sketchOf(bytes: Uint8Array): Sketch {
  const hashes = new Set<number>();
  let hash = 0;
  let start = 0;
  for (let at = 0; at < bytes.length; at++) {
    hash = ((hash << 1) + (gear[bytes[at] as number] as number)) | 0;
    if ((hash & cutMask) !== 0 || at - start < smallestChunkBytes) continue;
    hashes.add(chunkHash(hash, at - start));
    start = at + 1;
  }
  if (start < bytes.length) hashes.add(chunkHash(hash, bytes.length - start));
  return [...hashes].sort((a, b) => a - b).slice(0, features);
}

/** Finds the file that shares the most features. */
export class SimilarFiles<F> {
  private readonly byFeature = new Map<number, F[]>();

  add(file: F, sketch: Sketch): void {
    for (const feature of sketch) {
      const files = this.byFeature.get(feature);
      if (!files) this.byFeature.set(feature, [file]);
      else if (files.length < mostPerFeature) files.push(file);
    }
  }

  /** The most similar of the files that were added, the first of equals, if one is similar. */
  mostSimilar(sketch: Sketch): F | undefined {
    const shared = new Map<F, number>();
    for (const feature of sketch) {
      for (const file of this.byFeature.get(feature) ?? []) {
        shared.set(file, (shared.get(file) ?? 0) + 1);
      }
    }
    let best: F | undefined;
    let most = Math.max(2, sketch.length * enoughShared);
    for (const [file, count] of shared) {
      if (count < most || (count === most && best !== undefined)) continue;
      best = file;
      most = count;
    }
    return best;
  }
}

/** A chunk by its last 32 bytes, which are what the rolling hash is of, and its length. */
function chunkHash(rolling: number, length: number): number {
  const hash = rolling ^ Math.imul(length, multiplier);
  const once = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (once ^ (once >>> 13)) >>> 0;
}
