import {
  type DigestRequest,
  type DigestResponse,
  digestBytes,
  packIdentities,
} from './digest-worker.js';
import { OrderedWorker } from './ordered-worker.js';
import type { FoundFile } from './walk.js';

/** A file, and its digest if it was as it was found. */
export type Outcome = readonly [file: FoundFile, digest: string | undefined];

/** Another thread, which hashes files in the order of requests. */
export class DigestThread {
  private readonly worker = new OrderedWorker<DigestRequest, DigestResponse>(
    new URL('./digest-worker.js', import.meta.url),
  );

  /** Requests without an answer yet. */
  get asked(): number {
    return this.worker.asked;
  }

  async ask(root: string, files: readonly FoundFile[]): Promise<readonly Outcome[]> {
    const identities = packIdentities(files.map(({ identity }) => identity));
    const request = { root, paths: files.map(({ path }) => path), identities };
    return outcomesOf(files, await this.worker.ask(request, [identities.buffer]));
  }

  close(): Promise<void> {
    return this.worker.close();
  }
}

function outcomesOf(files: readonly FoundFile[], response: DigestResponse): Outcome[] {
  const digests = Buffer.from(response.digests.buffer);
  return files.map((file, index) => {
    const at = index * digestBytes;
    const isSound = response.isSound[index] === 1;
    return [file, isSound ? digests.toString('hex', at, at + digestBytes) : undefined];
  });
}
