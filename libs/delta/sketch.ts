/** What a file's content is like: hashes of the chunks that its content cuts it into. */
export type Sketch = Uint32Array<ArrayBuffer>;

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
/** The rolling hash has as many bits, and loses one with each byte. */
const hashedBytes = 32;
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
  const builder = new SketchBuilder();
  builder.add(bytes);
  return builder.finish();
}

/** Of the chunks of the file at hand; used again for each. */
let hashes = new Uint32Array(4096);

/** Makes sketches, one after the other, of files that come in pieces. */
export class SketchBuilder {
  private count = 0;
  /** Of the chunk at hand. */
  private hash = 0;
  private chunkBytes = 0;

  add(bytes: Uint8Array): void {
    const { length } = bytes;
    // Found sooner than one of the module: this loop is all that a sketch costs.
    const table = gear;
    let { hash, chunkBytes } = this;
    for (let at = 0; at < length; ) {
      const skipped = Math.min(length - at, Math.max(0, smallestChunkBytes - chunkBytes));
      hash = hashOver(bytes, at, at + skipped, hash);
      const from = at;
      at += skipped;
      for (; at < length; at++) {
        hash = ((hash << 1) + (table[bytes[at] as number] as number)) | 0;
        if ((hash & cutMask) === 0) break;
      }
      chunkBytes += at - from;
      if (at === length) break;
      this.chunk(hash, chunkBytes);
      chunkBytes = 0;
      at++;
    }
    this.hash = hash;
    this.chunkBytes = chunkBytes;
  }

  finish(): Sketch {
    if (this.chunkBytes > 0) this.chunk(this.hash, this.chunkBytes);
    const sorted = hashes.subarray(0, this.count).sort();
    this.count = 0;
    this.hash = 0;
    this.chunkBytes = 0;
    return smallest(sorted);
  }

  private chunk(hash: number, length: number): void {
    if (this.count === hashes.length) hashes = grown(hashes);
    hashes[this.count++] = chunkHash(hash, length);
  }
}

function smallest(sorted: Uint32Array): Sketch {
  const sketch = new Uint32Array(Math.min(features, sorted.length));
  let count = 0;
  for (const hash of sorted) {
    if (count > 0 && hash === sketch[count - 1]) continue;
    sketch[count++] = hash;
    if (count === features) break;
  }
  return sketch.slice(0, count);
}

/** The rolling hash after these bytes, of which only the last ones count if they are many. */
function hashOver(bytes: Uint8Array, from: number, end: number, before: number): number {
  let hash = before;
  for (let at = Math.max(from, end - hashedBytes); at < end; at++) {
    hash = ((hash << 1) + (gear[bytes[at] as number] as number)) | 0;
  }
  return hash;
}

function grown(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(2 * array.length);
  larger.set(array);
  return larger;
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
