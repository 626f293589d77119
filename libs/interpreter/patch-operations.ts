import { create } from '@bufbuild/protobuf';
import {
  Compression,
  PatchEncoding,
  type PatchFile,
  type PatchOperation,
  PatchOperationSchema,
} from '#libs/contracts/host.js';
import type { IllegalReason } from './errors.js';

/** What a patch says of itself, its operations spelled out. */
type PatchForm = Pick<PatchFile, 'encoding' | 'sizeBytes' | 'data'> & {
  readonly operations: readonly PatchOperation[];
};

/**
 * Why a patch cannot make a file of its declared size from a base of `baseBytes`, or undefined.
 * Looks at lengths only, so nothing is allocated for a patch that is out of bounds.
 */
export function patchProblem(
  patch: PatchForm,
  baseBytes: number,
  maxPatchBytes: number,
): IllegalReason | undefined {
  switch (patch.encoding) {
    case PatchEncoding.OPERATIONS:
    case PatchEncoding.DIFFERENCE:
      return operationsProblem(patch, BigInt(baseBytes));
    case PatchEncoding.ZSTD_SEGMENTS:
      return segmentsProblem(patch, BigInt(baseBytes), BigInt(maxPatchBytes));
    case PatchEncoding.ZSTD_PREFIX: {
      if (patch.operations.length > 0) return 'bad-patch';
      if (!patch.data || patch.data.length === 0n) return 'bad-slice';
      const limit = BigInt(maxPatchBytes);
      const inMemory = BigInt(baseBytes) <= limit && patch.sizeBytes <= limit;
      return inMemory && patch.data.length <= limit ? undefined : 'bad-size';
    }
    default:
      return 'bad-patch';
  }
}

/**
 * The operations of a patch. A difference without any is against the beginning of the base: what
 * both files are long is copied, what is more is new.
 */
export function operationsOf(
  { encoding, operations, sizeBytes }: PatchFile,
  baseBytes: number,
): readonly PatchOperation[] {
  if (encoding !== PatchEncoding.DIFFERENCE || operations.length > 0) return operations;
  const copyLength = sizeBytes < BigInt(baseBytes) ? sizeBytes : BigInt(baseBytes);
  const literalLength = sizeBytes - copyLength;
  return [create(PatchOperationSchema, { copyLength, literalLength })];
}

/** Bytes that a patch of operations takes from its data slice, when that is decompressed. */
export function literalBytes(
  encoding: PatchEncoding,
  operations: readonly PatchOperation[],
): bigint {
  const copies = encoding === PatchEncoding.DIFFERENCE;
  return operations.reduce(
    (sum, { copyLength, literalLength }) => sum + literalLength + (copies ? copyLength : 0n),
    0n,
  );
}

function operationsProblem(patch: PatchForm, baseBytes: bigint): IllegalReason | undefined {
  let total = 0n;
  for (const { copyOffset, copyLength, literalLength, resultLength } of patch.operations) {
    if (copyOffset < 0n || copyLength < 0n || literalLength < 0n) return 'bad-patch';
    if (resultLength !== 0n) return 'bad-patch';
    if (copyLength > 0n && copyOffset + copyLength > baseBytes) return 'bad-patch';
    if (copyLength + literalLength === 0n) return 'bad-patch';
    total += copyLength + literalLength;
    if (total > patch.sizeBytes) return 'bad-patch';
  }
  if (total !== patch.sizeBytes) return 'bad-patch';
  const literals = literalBytes(patch.encoding, patch.operations);
  const length = patch.data?.length ?? 0n;
  if (literals > 0n && length === 0n) return 'bad-slice';
  const plain = patch.data?.compression !== Compression.ZSTD;
  return plain && length !== literals ? 'bad-slice' : undefined;
}

/** A segment is decoded in memory: its result, its part of the base and its frame. */
function segmentsProblem(
  patch: PatchForm,
  baseBytes: bigint,
  limit: bigint,
): IllegalReason | undefined {
  if (!patch.data || patch.data.compression !== Compression.NONE) return 'bad-slice';
  let total = 0n;
  let frames = 0n;
  for (const { copyOffset, copyLength, literalLength, resultLength } of patch.operations) {
    if (copyOffset < 0n || copyLength < 0n || literalLength <= 0n) return 'bad-patch';
    if (resultLength <= 0n || copyOffset + copyLength > baseBytes) return 'bad-patch';
    if (copyLength > limit || literalLength > limit || resultLength > limit) return 'bad-size';
    total += resultLength;
    frames += literalLength;
  }
  if (total !== patch.sizeBytes) return 'bad-patch';
  return frames === patch.data.length ? undefined : 'bad-slice';
}
