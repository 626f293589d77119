import type { MessageInitShape } from '@bufbuild/protobuf';
import { Compression, PatchEncoding, type PatchOperationSchema } from '#libs/contracts/index.js';
import { planSegments, type RandomAccess, type Segment } from '#libs/delta/segments.js';
import type { WorkMemory } from '#libs/native/work-memory.js';
import { compressWithPrefix } from '#libs/native/zstd.js';
import type { EncodedPatch } from './encoded-patch.js';
import { orderedMap } from './ordered-map.js';

const mebibyte = 1024 ** 2;
/** Small segments fit the matchers' tables: better patches, in less memory. */
const sizes = { segmentBytes: 8 * mebibyte, marginBytes: 4 * mebibyte };
/** Above this, fewer and quicker segments: it would take minutes. */
const hugeBytes = 128 * mebibyte;
const hugeSizes = { segmentBytes: 16 * mebibyte, marginBytes: 4 * mebibyte };
const hugeLevel = 3;
const atOnce = 2;

/** A patch of a large file, segment by segment; its operations are complete when it was read. */
export function encodeSegments(
  base: RandomAccess,
  wanted: RandomAccess,
  patchLevel: number,
  memory: WorkMemory,
): EncodedPatch {
  const isHuge = wanted.sizeBytes > hugeBytes;
  const level = isHuge ? Math.min(patchLevel, hugeLevel) : patchLevel;
  const operations: MessageInitShape<typeof PatchOperationSchema>[] = [];
  const encode = (segment: Segment) =>
    memory.lend(async (take) => {
      const prefix = await base.read(segment.base.offset, segment.base.length, take);
      const bytes = await wanted.read(segment.wanted.offset, segment.wanted.length, take);
      const frame = await compressWithPrefix(bytes, prefix, { level, longDistance: true });
      return { segment, frame };
    });
  async function* frames() {
    const segments = planSegments(base, wanted, isHuge ? hugeSizes : sizes);
    for await (const { segment, frame } of orderedMap(segments, { atOnce }, encode)) {
      operations.push({
        copyOffset: BigInt(segment.base.offset),
        copyLength: BigInt(segment.base.length),
        literalLength: BigInt(frame.length),
        resultLength: BigInt(segment.wanted.length),
      });
      yield frame;
    }
  }
  return {
    kind: 'patch',
    encoding: PatchEncoding.ZSTD_SEGMENTS,
    operations,
    compression: Compression.NONE,
    bytes: frames(),
  };
}
