import { timeSlice } from '#libs/content-store/adapters/time-slice.js';
import { Compression, PatchEncoding } from '#libs/contracts/index.js';
import { differenceBytes, differenceOperations } from '#libs/delta/byte-difference.js';
import { compressStream, compressWithPrefix } from '#libs/native/zstd.js';
import { inMemory } from './blob-bytes.js';
import type { StoredContent } from './data-file.js';
import { encodeSegments } from './encode-segments.js';
import type { EncodedPatch, PatchMeans } from './encoded-patch.js';
import { type EncodingPolicy, hasCompressor, levelsOf } from './encoding-policy.js';
import { asMessage } from './small-difference.js';

/** A patch in memory. */
export type SmallPatch = EncodedPatch & { readonly bytes: Uint8Array };

/** Above this, looking far back for matches pays; below, it costs some percent. */
const longDistanceBytes = 1_048_576;
/** Quick levels see little of the base without it. */
const quickLevel = 6;
const quickLongDistanceBytes = 65_536;
/** Base and wanted file together; above it a patch is made, and applied, in segments. */
const largestPrefixBytes = 32 * 1024 ** 2;
/** A difference is good enough when it is this many times shorter than the file. */
const goodShare = 16;
const smallestProgramBytes = 16_384;
const mostOperations = 100_000;
const programMark = 8192;
const sliceMs = 20;

/**
 * The smallest patch that makes `wanted` of `base`, both in memory; undefined where this host can
 * make none.
 */
export async function encodePatch(
  means: PatchMeans,
  base: Uint8Array,
  wanted: Uint8Array,
): Promise<SmallPatch | undefined> {
  const { policy } = means;
  const difference = wantsDifference(policy, wanted)
    ? await encodeDifference(means, base, wanted)
    : undefined;
  if (!policy.capabilities.zstdPrefix) return difference;
  if (difference && difference.bytes.length * goodShare <= wanted.length) return difference;
  const patch = await encodePrefix(means, base, wanted);
  return difference && difference.bytes.length < patch.bytes.length ? difference : patch;
}

/** For programs; where zstd knows no prefixes, for everything. */
function wantsDifference(policy: EncodingPolicy, wanted: Uint8Array): boolean {
  if (!hasCompressor(policy)) return false;
  if (!policy.capabilities.zstdPrefix) return true;
  if (!levelsOf(policy).alignsPrograms || wanted.length < smallestProgramBytes) return false;
  return wanted.subarray(0, programMark).includes(0);
}

async function encodeDifference(
  { policy, take }: PatchMeans,
  base: Uint8Array,
  wanted: Uint8Array,
): Promise<SmallPatch | undefined> {
  const operations = await differenceOperations(base, wanted, { pause: timeSlice(sliceMs), take });
  if (operations.length > mostOperations) return undefined;
  const pieces = asynchronous(differenceBytes(base, wanted, operations));
  return {
    kind: 'patch',
    encoding: PatchEncoding.DIFFERENCE,
    operations: operations.map(asMessage),
    compression: Compression.ZSTD,
    bytes: await joined(compressStream(pieces, levelsOf(policy).patch)),
  };
}

async function encodePrefix(
  { policy, memory }: PatchMeans,
  base: Uint8Array,
  wanted: Uint8Array,
): Promise<SmallPatch> {
  const level = levelsOf(policy).patch;
  if (base.length + wanted.length > largestPrefixBytes) {
    const patch = encodeSegments(inMemory(base), inMemory(wanted), level, memory);
    return { ...patch, bytes: await joined(asynchronous(patch.bytes)) };
  }
  const far = level <= quickLevel ? quickLongDistanceBytes : longDistanceBytes;
  const longDistance = Math.max(base.length, wanted.length) > far;
  return {
    kind: 'patch',
    encoding: PatchEncoding.ZSTD_PREFIX,
    compression: Compression.NONE,
    bytes: await compressWithPrefix(wanted, base, { level, longDistance }),
  };
}

async function* asynchronous(
  pieces: StoredContent['bytes'] | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (pieces instanceof Uint8Array) yield pieces;
  else yield* pieces;
}

async function joined(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}
