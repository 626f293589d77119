import type { PatchOperation } from '#libs/contracts/host.js';

/** The numbers of operations: of bigint objects each look costs as much as a copy of its bytes. */
export interface Stretches {
  readonly copyOffset: Float64Array;
  readonly copyLength: Float64Array;
  readonly literalLength: Float64Array;
}

export function stretchesOf(operations: readonly PatchOperation[]): Stretches {
  const copyOffset = new Float64Array(operations.length);
  const copyLength = new Float64Array(operations.length);
  const literalLength = new Float64Array(operations.length);
  for (let at = 0; at < operations.length; at++) {
    const operation = operations[at] as PatchOperation;
    copyOffset[at] = Number(operation.copyOffset);
    copyLength[at] = Number(operation.copyLength);
    literalLength[at] = Number(operation.literalLength);
  }
  return { copyOffset, copyLength, literalLength };
}
