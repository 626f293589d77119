import { parentPort } from 'node:worker_threads';
import { type DigestedFile, readDigest } from './read-digest.js';
import type { FoundFile } from './walk.js';

/** Files that a thread shall read. */
export interface DigestRequest {
  readonly root: string;
  readonly files: readonly FoundFile[];
}

/**
 * What became of a file: its digest; the digest of what it is now; nothing when it is gone;
 * `failed`: whoever asked shall read it and see why.
 */
export type DigestOutcome = string | DigestedFile | undefined | typeof failed;

export const failed = 0;

async function outcomeOf(root: string, found: FoundFile): Promise<DigestOutcome> {
  try {
    const digested = await readDigest(root, found);
    return digested?.file === found ? digested.digest : digested;
  } catch {
    return failed;
  }
}

parentPort?.on('message', async ({ root, files }: DigestRequest) => {
  const outcomes: DigestOutcome[] = [];
  for (const file of files) outcomes.push(await outcomeOf(root, file));
  parentPort?.postMessage(outcomes);
});
