import type { MessageInitShape } from '@bufbuild/protobuf';
import { timeSlice } from '#libs/content-store/adapters/time-slice.js';
import { PatchEncoding, type PatchOperationSchema } from '#libs/contracts/index.js';
import {
  cheapDifference,
  type DifferenceOperation,
  differenceBytes,
} from '#libs/delta/byte-difference.js';
import type { PatchForm } from './commands.js';
import { type EncodingPolicy, hasCompressor, levelsOf } from './encoding-policy.js';

/** Larger files, or bases, have patches of their own. */
export const smallDifferenceBytes = 256 * 1024;
/** Of an operation in the command buffer, and of a place that changed in a frame: about. */
const operationBytes = 6;
const changeBytes = 4;
/** How much zstd makes of text that it has not seen. */
const literalShare = 0.4;
/** Files that differ at more places than this are better patched against a prefix. */
const fewSearches = 1024;
const searchShare = 16;
const sliceMs = 20;

/**
 * A small file as what makes it of its base. It goes into a frame with others: alone, the frame
 * would take more than what changed.
 */
export interface SmallDifference extends PatchForm {
  readonly kind: 'difference';
  /** As long as the file, and mostly zeros. */
  readonly bytes: Uint8Array;
  /** What it adds to its frame and to its command. */
  readonly estimatedBytes: number;
}

/** Undefined where this host cannot compress, and for files that are not small or not alike. */
export async function smallDifference(
  policy: EncodingPolicy,
  base: Uint8Array,
  wanted: Uint8Array,
): Promise<SmallDifference | undefined> {
  if (!hasCompressor(policy) || !levelsOf(policy).sharesDifferences) return undefined;
  if (Math.max(base.length, wanted.length) > smallDifferenceBytes) return undefined;
  const mostSearches = fewSearches + wanted.length / searchShare;
  const operations = await cheapDifference(base, wanted, timeSlice(sliceMs), mostSearches);
  if (!operations) return undefined;
  const bytes = Buffer.concat([...differenceBytes(base, wanted, operations)]);
  return {
    kind: 'difference',
    encoding: PatchEncoding.DIFFERENCE,
    operations: operations.map(asMessage),
    bytes,
    estimatedBytes: estimate(bytes, operations),
  };
}

export function asMessage({
  copyOffset,
  copyLength,
  literalLength,
}: DifferenceOperation): MessageInitShape<typeof PatchOperationSchema> {
  return {
    copyOffset: BigInt(copyOffset),
    copyLength: BigInt(copyLength),
    literalLength: BigInt(literalLength),
  };
}

function estimate(bytes: Uint8Array, operations: readonly DifferenceOperation[]): number {
  let literals = 0;
  let changes = 0;
  let at = 0;
  for (const { copyLength, literalLength } of operations) {
    for (const end = at + copyLength; at < end; at++) {
      if (bytes[at] !== 0 && (at === 0 || bytes[at - 1] === 0)) changes++;
    }
    literals += literalLength;
    at += literalLength;
  }
  const places = operations.length * operationBytes + changes * changeBytes;
  return Math.ceil(places + literals * literalShare);
}
