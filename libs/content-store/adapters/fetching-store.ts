import { checkedContent } from '../checked-content.js';
import { BlobNotFound, type ByteRange, type ContentStore, isDigest } from '../content-store.js';
import type { Manifest } from '../manifest.js';

/** Somewhere else that blobs may be. */
export interface BlobSource {
  /** Names the source in errors. */
  readonly name: string;
  /** A whole blob; undefined when the source has it not. */
  fetch(
    digest: string,
  ): Promise<{ content: AsyncIterable<Uint8Array>; sizeBytes: number } | undefined>;
}

/** Thrown when a blob is missing here and no source gave it; names what each answered. */
export class SourcesFailed extends BlobNotFound {
  constructor(digest: string, failures: readonly string[]) {
    super(digest);
    this.message += `, and no source gave it (${failures.join('; ')})`;
  }
}

/**
 * A store that fetches what it lacks from the first source that has it: each blob once, however
 * many ask, checked against its digest before anybody sees a byte of it.
 */
export function fetchingStore(local: ContentStore, sources: readonly BlobSource[]): ContentStore {
  const running = new Map<string, Promise<void>>();
  const present = async (digest: string): Promise<void> => {
    if (!isDigest(digest) || (await local.has(digest))) return;
    const fetching = running.get(digest) ?? fetchInto(local, sources, digest);
    running.set(digest, fetching);
    await fetching.finally(() => running.delete(digest));
  };
  return {
    /** Only what is here: a miss must not start a transfer of what the caller is about to write. */
    has: (digest) => local.has(digest),
    async sizeBytes(digest) {
      await present(digest);
      return local.sizeBytes(digest);
    },
    async *read(digest: string, range?: ByteRange) {
      await present(digest);
      yield* local.read(digest, range);
    },
    async readInto(digest, target) {
      await present(digest);
      await local.readInto(digest, target);
    },
    async localPath(digest) {
      await present(digest);
      return local.localPath(digest);
    },
    async readManifest(digest, like): Promise<Manifest> {
      await present(digest);
      return local.readManifest(digest, like);
    },
    write: (content) => local.write(content),
    writeFile: (path, digest) => local.writeFile(path, digest),
    writeManifest: (manifest) => local.writeManifest(manifest),
  };
}

async function fetchInto(
  local: ContentStore,
  sources: readonly BlobSource[],
  digest: string,
): Promise<void> {
  const failures: string[] = [];
  for (const source of sources) {
    try {
      const found = await source.fetch(digest);
      if (!found) {
        failures.push(`${source.name} has it not`);
        continue;
      }
      const { content, sizeBytes } = found;
      const expected = { digest, maxBytes: sizeBytes, what: `the blob from ${source.name}` };
      await local.write(checkedContent(content, expected));
      return;
    } catch (error) {
      failures.push(`${source.name}: ${(error as Error).message}`);
    }
  }
  if (failures.length === 0) throw new BlobNotFound(digest);
  throw new SourcesFailed(digest, failures);
}

/** Asked by somebody who fetches himself: answer with what is here only. */
export const onlyLocalHeader = 'espalier-only-local';
const answerWithinMs = 30_000;

/** Another host of the control plane: `GET <url>/blobs/<digest>`, with the content token. */
export function httpSource(url: string, token: () => string = () => ''): BlobSource {
  const base = url.replace(/\/+$/, '');
  return {
    name: base,
    async fetch(digest) {
      const waiting = new AbortController();
      const timer = setTimeout(
        () => waiting.abort(new Error('it does not answer')),
        answerWithinMs,
      );
      try {
        const response = await fetch(`${base}/blobs/${digest}`, {
          headers: { [onlyLocalHeader]: '1', authorization: `Bearer ${token()}` },
          redirect: 'error',
          signal: waiting.signal,
        });
        if (response.status === 404) return undefined;
        const length = response.headers.get('content-length');
        if (!response.ok || !response.body || length === null) {
          throw new Error(`it answered ${response.status}`);
        }
        return { content: response.body, sizeBytes: Number(length) };
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** Another content store. */
export function storeSource(name: string, store: ContentStore): BlobSource {
  return {
    name,
    async fetch(digest) {
      if (!(await store.has(digest))) return undefined;
      return { content: store.read(digest), sizeBytes: await store.sizeBytes(digest) };
    },
  };
}
