import { parentPort } from 'node:worker_threads';
import type { FileIdentity } from '../scan.js';
import { hashNow } from './hash-file.js';

/** Files that a thread shall read. */
export interface DigestRequest {
  readonly root: string;
  readonly paths: readonly string[];
  /** `identityFields` numbers for each. */
  readonly identities: Float64Array<ArrayBuffer>;
}

/** What the thread saw, file by file. */
export interface DigestResponse {
  /** `digestBytes` bytes for each. */
  readonly digests: Uint8Array<ArrayBuffer>;
  /** 1 for a file that was as it was found. Whoever asked reads the others, and sees why. */
  readonly isSound: Uint8Array<ArrayBuffer>;
}

export const identityFields = 5;
export const digestBytes = 32;

/** Moved to a thread, not copied. */
export function packIdentities(identities: readonly FileIdentity[]): Float64Array<ArrayBuffer> {
  const packed = new Float64Array(identities.length * identityFields);
  let at = 0;
  for (const { device, inode, sizeBytes, mtimeMs, ctimeMs } of identities) {
    packed[at++] = device;
    packed[at++] = inode;
    packed[at++] = sizeBytes;
    packed[at++] = mtimeMs;
    packed[at++] = ctimeMs;
  }
  return packed;
}

function identityAt(packed: Float64Array, index: number): FileIdentity {
  const number = (field: number) => packed[index * identityFields + field] as number;
  return {
    device: number(0),
    inode: number(1),
    sizeBytes: number(2),
    mtimeMs: number(3),
    ctimeMs: number(4),
  };
}

function answer({ root, paths, identities }: DigestRequest): DigestResponse {
  const digests = new Uint8Array(paths.length * digestBytes);
  const isSound = new Uint8Array(paths.length);
  for (const [index, path] of paths.entries()) {
    const digest = digestOf(`${root}/${path}`, identityAt(identities, index));
    if (!digest) continue;
    digests.set(digest, index * digestBytes);
    isSound[index] = 1;
  }
  return { digests, isSound };
}

function digestOf(path: string, identity: FileIdentity): Buffer | undefined {
  try {
    return hashNow(path, identity);
  } catch {
    return undefined;
  }
}

parentPort?.on('message', (request: DigestRequest) => {
  const response = answer(request);
  parentPort?.postMessage(response, [response.digests.buffer, response.isSound.buffer]);
});
