import { open } from 'node:fs/promises';
import { openHead, parsePreamble, preambleBytes } from '#libs/assignment/container.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';

/**
 * Digest of the tree that a container on disk makes, as it was signed.
 * @throws AssignmentRefused
 */
export async function signedTreeOf(path: string, trust: TrustRoot): Promise<Uint8Array> {
  const file = await open(path, 'r');
  const read = async (length: number) => {
    const bytes = new Uint8Array(length);
    await file.read(bytes, 0, length, 0);
    return bytes;
  };
  try {
    const { headBytes } = parsePreamble(await read(preambleBytes));
    return openHead(await read(headBytes), trust).header.resultTreeDigest;
  } finally {
    await file.close();
  }
}
