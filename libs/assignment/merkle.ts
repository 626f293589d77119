import { createHash } from 'node:crypto';

export const hashBytes = 32;
const leafPrefix = Buffer.from([0]);
const nodePrefix = Buffer.from([1]);

/** The hash of one block (RFC 6962, section 2.1). */
export function leafHash(block: Uint8Array): Buffer {
  return createHash('sha256').update(leafPrefix).update(block).digest();
}

/** The Merkle tree hash over leaf hashes laid end to end; of none, the hash of nothing. */
export function merkleRoot(leaves: Uint8Array): Buffer {
  const count = leaves.length / hashBytes;
  if (!Number.isInteger(count)) throw new RangeError('leaf hashes must be 32 bytes each');
  if (count === 0) return createHash('sha256').digest();
  let level = split(leaves);
  while (level.length > 1) level = parents(level);
  return Buffer.from(level[0] as Uint8Array);
}

/**
 * The hashes beside the way from a leaf to the root (RFC 6962, section 2.1.1), from the leaf up; a
 * node without a neighbour contributes none.
 */
export function inclusionProof(leaves: Uint8Array, index: number): Uint8Array[] {
  const proof: Uint8Array[] = [];
  let level = split(leaves);
  for (let at = index; level.length > 1; at = Math.floor(at / 2)) {
    const neighbour = level[at ^ 1];
    if (neighbour) proof.push(neighbour);
    level = parents(level);
  }
  return proof;
}

/** Whether a leaf is the one at `index` of the `count` below `root`. */
export function isIncluded(
  leaf: Uint8Array,
  { index, count }: { index: number; count: number },
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  let hash: Uint8Array = leaf;
  let used = 0;
  for (let at = index, width = count; width > 1; at >>>= 1, width = Math.ceil(width / 2)) {
    const isLeft = at % 2 === 0;
    if (isLeft && at === width - 1) continue;
    const neighbour = proof[used++];
    if (neighbour?.length !== hashBytes) return false;
    hash = isLeft ? nodeHash(hash, neighbour) : nodeHash(neighbour, hash);
  }
  return used === proof.length && Buffer.compare(hash, root) === 0;
}

function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return createHash('sha256').update(nodePrefix).update(left).update(right).digest();
}

function split(leaves: Uint8Array): Uint8Array[] {
  const level: Uint8Array[] = [];
  for (let at = 0; at < leaves.length; at += hashBytes) {
    level.push(leaves.subarray(at, at + hashBytes));
  }
  return level;
}

/** Pairs hash together; an odd last node moves up unchanged, as RFC 6962's split gives. */
function parents(level: readonly Uint8Array[]): Uint8Array[] {
  const above: Uint8Array[] = [];
  for (let at = 0; at < level.length; at += 2) {
    const left = level[at] as Uint8Array;
    const right = level[at + 1];
    above.push(right ? nodeHash(left, right) : left);
  }
  return above;
}
