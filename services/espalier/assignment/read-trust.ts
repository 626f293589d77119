import { createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { readRootFile } from '#libs/assignment/root-document.js';
import { DomainError } from '#libs/contracts/index.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';

export class UnreadableTrust extends DomainError {
  override readonly name = 'UnreadableTrust';
}

/**
 * Whom to trust: a root document, or keys in PEM (of a private key its public half).
 * @throws UnreadableTrust
 */
export async function readTrust(paths: readonly string[], threshold: number): Promise<TrustRoot> {
  const keys: Uint8Array[] = [];
  for (const path of paths) {
    try {
      const bytes = await readFile(path);
      if (bytes[0] === '{'.charCodeAt(0)) return readRootFile(bytes).assignments;
      const key = createPublicKey(bytes);
      keys.push(new Uint8Array(key.export({ format: 'der', type: 'spki' })));
    } catch (cause) {
      throw new UnreadableTrust(
        `${path} is no root document and no key: ${(cause as Error).message}`,
        'give a root document or a public key in PEM form',
        { cause },
      );
    }
  }
  return { keys, threshold };
}
