import type { ContentStore } from '#libs/content-store/content-store.js';
import type { FileEntry } from '#libs/content-store/manifest.js';
import { Compression } from '#libs/contracts/index.js';
import type { TakeMemory, WorkMemory } from '#libs/native/work-memory.js';
import { compress, compressStream } from '#libs/native/zstd.js';
import { contentOf, openBlob } from './blob-bytes.js';
import type { StoredContent } from './data-file.js';
import { encodePatch, type SmallPatch } from './encode-patch.js';
import { encodeSegments } from './encode-segments.js';
import type { EncodedPatch, PatchMeans } from './encoded-patch.js';
import { canCompress, type EncodingPolicy, levelsOf } from './encoding-policy.js';
import { type SmallDifference, smallDifference } from './small-difference.js';

/** How a file's content goes into the data file. */
export type EncodedContent =
  | EncodedPatch
  | SmallDifference
  | (StoredContent & { readonly kind: 'whole' });

/** A patch this many times shorter than its file needs no comparison with the whole file. */
const clearlySmaller = 8;
/** No other form of a patch is shorter: its frame's header and tables alone take this. */
const tinyBytes = 40;

/** What encoding needs besides files. */
export interface Encoder {
  readonly store: ContentStore;
  readonly policy: EncodingPolicy;
  readonly memory: WorkMemory;
  /** zstd's level for what is sent whole. */
  readonly wholeLevel: number;
}

/**
 * The smallest form of `wanted`: a patch of `base` (a file of the base), compressed, or as it is.
 * @throws BlobNotFound when the store has not the wanted content
 */
export async function encodeContent(
  encoder: Encoder,
  wanted: FileEntry,
  base?: FileEntry,
): Promise<EncodedContent> {
  const { store, policy, wholeLevel } = encoder;
  const level = canCompress(policy, wanted.path) ? wholeLevel : undefined;
  const isPatched = base && canPatch(base, wanted) && (await store.has(base.digest));
  const largest = Math.max(wanted.sizeBytes, isPatched ? base.sizeBytes : 0);
  if (largest > policy.largestInMemoryBytes) {
    return isPatched && policy.capabilities.zstdPrefix
      ? segmented(encoder, wanted, base)
      : streamed(store.read(wanted.digest), level);
  }
  return encoder.memory.lend((take) =>
    encodeInMemory(encoder, take, level, wanted, isPatched ? base : undefined),
  );
}

async function encodeInMemory(
  { store, policy, memory }: Encoder,
  take: TakeMemory,
  level: number | undefined,
  wanted: FileEntry,
  base: FileEntry | undefined,
): Promise<EncodedContent> {
  const bytes = await contentOf(store, wanted, take);
  const patch = base
    ? await smallestPatch({ policy, memory, take }, await contentOf(store, base, take), bytes)
    : undefined;
  if (patch && lengthOf(patch) * clearlySmaller <= bytes.length) return patch;
  const whole = await smallestWhole(bytes, level);
  return patch && lengthOf(patch) < whole.bytes.length ? patch : whole;
}

async function smallestPatch(
  means: PatchMeans,
  base: Uint8Array,
  wanted: Uint8Array,
): Promise<SmallPatch | SmallDifference | undefined> {
  const difference = await smallDifference(means, base, wanted);
  if (difference && difference.estimatedBytes <= tinyBytes) return difference;
  const patch = await encodePatch(means, base, wanted);
  if (!difference || !patch) return patch ?? difference;
  return lengthOf(difference) < lengthOf(patch) ? difference : patch;
}

function lengthOf(patch: SmallPatch | SmallDifference): number {
  return patch.kind === 'patch' ? patch.bytes.length : patch.estimatedBytes;
}

function canPatch(base: FileEntry, wanted: FileEntry): boolean {
  return base.sizeBytes > 0 && wanted.sizeBytes > 0;
}

async function segmented(
  { store, policy, memory }: Encoder,
  wanted: FileEntry,
  base: FileEntry,
): Promise<EncodedPatch> {
  const blobs = [await openBlob(store, base), await openBlob(store, wanted)] as const;
  const patch = encodeSegments(...blobs, levelsOf(policy).patch, memory);
  async function* closing() {
    try {
      yield* patch.bytes as AsyncIterable<Uint8Array>;
    } finally {
      for (const blob of blobs) await blob.close();
    }
  }
  return { ...patch, bytes: closing() };
}

function streamed(content: AsyncIterable<Uint8Array>, level: number | undefined): EncodedContent {
  return level === undefined
    ? { kind: 'whole', compression: Compression.NONE, bytes: content }
    : { kind: 'whole', compression: Compression.ZSTD, bytes: compressStream(content, level) };
}

async function smallestWhole(bytes: Uint8Array, level: number | undefined) {
  // Its own bytes: the memory it was read to is used again.
  const plain = () =>
    ({ kind: 'whole', compression: Compression.NONE, bytes: bytes.slice() }) as const;
  if (level === undefined) return plain();
  const frame = await compress(bytes, level);
  if (frame.length >= bytes.length) return plain();
  return { kind: 'whole', compression: Compression.ZSTD, bytes: frame } as const;
}
