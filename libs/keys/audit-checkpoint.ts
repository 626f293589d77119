import { create } from '@bufbuild/protobuf';
import { type AuditCheckpoint, AuditCheckpointSchema } from '#libs/contracts/index.js';
import { type SigningKey, verifySignature } from './ed25519.js';

/** What is signed of a head: nothing else begins with these words. */
function signedBytes(sequence: bigint, hash: Uint8Array, signedAtMs: bigint): Uint8Array {
  const hex = Buffer.from(hash).toString('hex');
  return Buffer.from(`espalier-audit-checkpoint\n${sequence}\n${hex}\n${signedAtMs}\n`);
}

/** Signs the head of the hash chain. */
export function signHead(
  key: SigningKey,
  sequence: number,
  hash: Uint8Array,
  nowMs: number,
): AuditCheckpoint {
  const [place, signedAtMs] = [BigInt(sequence), BigInt(nowMs)];
  return create(AuditCheckpointSchema, {
    sequence: place,
    hash,
    signedAtMs,
    signature: key.sign(signedBytes(place, hash, signedAtMs)),
    publicKey: key.publicKey,
  });
}

/** Whether a checkpoint is signed by the key it names, and that key is one of those trusted. */
export function isSoundCheckpoint(
  checkpoint: AuditCheckpoint,
  trusted: readonly Uint8Array[],
): boolean {
  const { publicKey, signature, sequence, hash, signedAtMs } = checkpoint;
  if (!trusted.some((key) => Buffer.compare(key, publicKey) === 0)) return false;
  return verifySignature(publicKey, signedBytes(sequence, hash, signedAtMs), signature);
}
