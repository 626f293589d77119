import { Worker } from 'node:worker_threads';
import {
  type DigestRequest,
  type DigestResponse,
  digestBytes,
  packIdentities,
} from './digest-worker.js';
import type { FoundFile } from './walk.js';

/** A file, and its digest if it was as it was found. */
export type Outcome = readonly [file: FoundFile, digest: string | undefined];

/** Another thread, which hashes files in the order of requests. */
export class DigestThread {
  private readonly worker = new Worker(new URL('./digest-worker.js', import.meta.url));
  private readonly waiting: Request[] = [];

  constructor() {
    this.worker.on('message', (response: DigestResponse) => {
      const request = this.waiting.shift();
      request?.resolve(outcomesOf(request.files, response));
    });
    this.worker.on('error', (error) => {
      for (const { reject } of this.waiting.splice(0)) reject(error);
    });
  }

  /** Requests without an answer yet. */
  get asked(): number {
    return this.waiting.length;
  }

  ask(root: string, files: readonly FoundFile[]): Promise<readonly Outcome[]> {
    const identities = packIdentities(files.map(({ identity }) => identity));
    const request: DigestRequest = { root, paths: files.map(({ path }) => path), identities };
    this.worker.postMessage(request, [identities.buffer]);
    return new Promise((resolve, reject) => this.waiting.push({ files, resolve, reject }));
  }

  async close(): Promise<void> {
    await this.worker.terminate();
  }
}

interface Request {
  readonly files: readonly FoundFile[];
  resolve(outcomes: readonly Outcome[]): void;
  reject(error: unknown): void;
}

function outcomesOf(files: readonly FoundFile[], response: DigestResponse): Outcome[] {
  const digests = Buffer.from(response.digests.buffer);
  return files.map((file, index) => {
    const at = index * digestBytes;
    const isSound = response.isSound[index] === 1;
    return [file, isSound ? digests.toString('hex', at, at + digestBytes) : undefined];
  });
}
