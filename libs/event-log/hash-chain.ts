import { createHash } from 'node:crypto';

/** The hash before the first event. */
export const chainStart: Uint8Array = new Uint8Array(32);

/** Hash of an event: SHA-256 of the hash before it, its sequence and its stored body. */
export function chainHash(previous: Uint8Array, sequence: number, body: string): Uint8Array {
  return createHash('sha256').update(previous).update(`${sequence}\n`).update(body).digest();
}
