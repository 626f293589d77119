import { createCipheriv, createDecipheriv } from 'node:crypto';
import { AssignmentRefused } from './errors.js';

/** Bytes of a data key. */
export const dataKeyBytes = 32;
const tagBytes = 16;
const nonceBytes = 12;
const algorithm = 'aes-256-gcm';

/** Where a sealed block belongs; both parts go into its nonce. */
export interface BlockPlace {
  /** Part of the job, counted from 1. */
  readonly part: number;
  readonly index: number;
}

/** Length of content of `plainBytes` when it is sealed in blocks of `blockBytes`. */
export function sealedLength(plainBytes: number, blockBytes: number): number {
  return plainBytes + Math.ceil(plainBytes / (blockBytes - tagBytes)) * tagBytes;
}

/** Content that one sealed block of `blockBytes` holds. */
export const contentOfBlock = (blockBytes: number): number => blockBytes - tagBytes;

/**
 * Seals one block (AES-256-GCM); the tag comes last. A place must be used once per key: the same
 * content at the same place again is the same bytes.
 */
export function sealBlock(key: Uint8Array, place: BlockPlace, plain: Uint8Array): Buffer {
  const options = { authTagLength: tagBytes };
  const cipher = createCipheriv(algorithm, key, nonceOf(place), options);
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** @throws AssignmentRefused `damaged` for a block of another place or key */
export function openBlock(key: Uint8Array, place: BlockPlace, sealed: Uint8Array): Buffer {
  const end = sealed.length - tagBytes;
  const what = `block ${place.index} of part ${place.part}`;
  if (end < 0) throw new AssignmentRefused('damaged', `${what} is too short to be sealed`);
  const options = { authTagLength: tagBytes };
  const decipher = createDecipheriv(algorithm, key, nonceOf(place), options);
  decipher.setAuthTag(sealed.subarray(end));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()]);
  } catch (cause) {
    throw new AssignmentRefused('damaged', `${what} was not sealed with this key`, { cause });
  }
}

function nonceOf({ part, index }: BlockPlace): Buffer {
  const nonce = Buffer.alloc(nonceBytes);
  nonce.writeUInt32BE(part, 0);
  nonce.writeBigUInt64BE(BigInt(index), 4);
  return nonce;
}
