import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { type DigestOutcome, type DigestRequest, failed } from './digest-worker.js';
import { type DigestedFile, readDigest } from './read-digest.js';
import type { FoundFile } from './walk.js';

/** Less is read sooner than threads start. */
const worthFiles = 2_000;
const worthBytes = 64 * 1024 ** 2;
const mostThreads = 4;
/** What a thread is given at a time. */
const batchFiles = 128;
const batchBytes = 4 * 1024 ** 2;

/** Whether threads read these files sooner than one after the other. */
export function areWorthThreads(files: readonly FoundFile[]): boolean {
  if (availableParallelism() < 2) return false;
  if (files.length >= worthFiles) return true;
  return files.length > 1 && bytesOf(files) >= worthBytes;
}

/**
 * Reads files here and on threads, one for each other processor, each file as `readDigest` does;
 * calls `keep` for those that are there.
 * @param pause called now and then; what it gives is awaited
 * @throws what `readDigest` throws; then nothing is read any more
 */
export async function digestOnThreads(
  root: string,
  files: readonly FoundFile[],
  pause: () => Promise<void> | undefined,
  keep: (file: DigestedFile | undefined) => void,
): Promise<void> {
  const batches = inBatches(files);
  const count = Math.min(mostThreads, availableParallelism() - 1, batches.length);
  const program = new URL('./digest-worker.js', import.meta.url);
  const threads = Array.from({ length: count }, () => new Worker(program));
  const onThread = async (thread: Worker) => {
    for (let batch = batches.pop(); batch; batch = batches.pop()) {
      thread.postMessage({ root, files: batch } satisfies DigestRequest);
      const [outcomes] = (await once(thread, 'message')) as [readonly DigestOutcome[]];
      for (const [index, found] of batch.entries()) {
        keep(await digestedFrom(outcomes[index], root, found));
      }
    }
  };
  const here = async () => {
    for (let batch = batches.shift(); batch; batch = batches.shift()) {
      for (const found of batch) {
        const turn = pause();
        if (turn) await turn;
        keep(await readDigest(root, found));
      }
    }
  };
  try {
    await Promise.all([...threads.map(onThread), here()]);
  } finally {
    batches.length = 0;
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}

async function digestedFrom(
  outcome: DigestOutcome,
  root: string,
  found: FoundFile,
): Promise<DigestedFile | undefined> {
  if (outcome === failed) return readDigest(root, found);
  return typeof outcome === 'string' ? { file: found, digest: outcome } : outcome;
}

/** The largest come last, where threads take them first: none waits for one at the end. */
function inBatches(files: readonly FoundFile[]): FoundFile[][] {
  const batches: FoundFile[][] = [];
  let batch: FoundFile[] = [];
  let bytes = 0;
  const isLarge = ({ identity }: FoundFile) => identity.sizeBytes > batchBytes;
  for (const file of files) {
    if (isLarge(file)) continue;
    if (batch.length === 0) batches.push(batch);
    batch.push(file);
    bytes += file.identity.sizeBytes;
    if (batch.length < batchFiles && bytes < batchBytes) continue;
    batch = [];
    bytes = 0;
  }
  const large = files.filter(isLarge);
  large.sort((a, b) => a.identity.sizeBytes - b.identity.sizeBytes);
  return [...batches, ...large.map((file) => [file])];
}

function bytesOf(files: readonly FoundFile[]): number {
  return files.reduce((sum, { identity }) => sum + identity.sizeBytes, 0);
}
