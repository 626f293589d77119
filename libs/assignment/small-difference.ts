import type { MessageInitShape } from '@bufbuild/protobuf';
import { timeSlice } from '#libs/content-store/adapters/time-slice.js';
import { PatchEncoding, type PatchOperationSchema } from '#libs/contracts/index.js';
import {
  cheapDifference,
  type DifferenceOperation,
  writeDifference,
} from '#libs/delta/byte-difference.js';
import type { PatchForm } from './commands.js';
import type { PatchMeans } from './encoded-patch.js';
import { hasCompressor, levelsOf } from './encoding-policy.js';

/** Larger files, or bases, have patches of their own. */
export const smallDifferenceBytes = 256 * 1024;
/** Of an operation in the command buffer, and of a place that changed in a frame: about. */
const operationBytes = 6;
const changeBytes = 4;
/** How much zstd makes of text that it has not seen. */
const literalShare = 0.4;
/** Files that differ at more places than this are better patched against a prefix. */
const fewSearches = 256;
const searchShare = 64;
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
  { policy, take }: PatchMeans,
  base: Uint8Array,
  wanted: Uint8Array,
): Promise<SmallDifference | undefined> {
  if (!hasCompressor(policy) || !levelsOf(policy).sharesDifferences) return undefined;
  if (Math.max(base.length, wanted.length) > smallDifferenceBytes) return undefined;
  const mostSearches = fewSearches + wanted.length / searchShare;
  const means = { pause: timeSlice(sliceMs), take };
  const operations = await cheapDifference(base, wanted, means, mostSearches);
  if (!operations) return undefined;
  const bytes = new Uint8Array(wanted.length);
  const changes = writeDifference(base, wanted, operations, bytes);
  return {
    kind: 'difference',
    encoding: PatchEncoding.DIFFERENCE,
    operations: operations.map(asMessage),
    bytes,
    estimatedBytes: estimate(changes, operations),
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

function estimate(changes: number, operations: readonly DifferenceOperation[]): number {
  const literals = operations.reduce((sum, { literalLength }) => sum + literalLength, 0);
  const places = operations.length * operationBytes + changes * changeBytes;
  return Math.ceil(places + literals * literalShare);
}
