import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { FileEntry, Manifest } from '../manifest.js';
import { encodeManifest } from '../manifest-codec.js';
import { Lanes } from './lanes.js';

/** How to reach the control plane: sends one request and gives the JSON of its answer. */
export type SendBytes = (
  method: 'POST' | 'PUT',
  path: string,
  body: Uint8Array | ReadableStream,
  sizeBytes: number,
) => Promise<unknown>;

export interface TreeToPush {
  readonly site: string;
  /** The staging server that brings it; absent: somebody by hand. */
  readonly server?: string;
  readonly root: string;
  readonly manifest: Manifest;
}

export interface Pushed {
  /** Lower-case hex, as all digests. */
  readonly manifestDigest: string;
  readonly treeDigest: string;
  readonly files: number;
  readonly treeBytes: number;
  readonly sentFiles: number;
  readonly sentBytes: number;
}

const uploadsAtOnce = 16;
const smallBytes = 1024 ** 2;

/**
 * Brings a tree to the control plane: its manifest, then only the content that is lacking there,
 * then the order to take it for the next run. An interrupted push begins where it stopped.
 * @param send rejects when the control plane refuses; a file that changed meanwhile is refused
 */
export async function pushTree(
  { site, server, root, manifest }: TreeToPush,
  send: SendBytes,
  onSent: (bytes: number) => void = () => {},
): Promise<Pushed> {
  const path = `/api/v1/sites/${encodeURIComponent(site)}/pushed`;
  const query = server === undefined ? '' : `?server=${encodeURIComponent(server)}`;
  const encoded = encodeManifest(manifest);
  const lacking = await send('POST', `${path}/lacking${query}`, encoded, encoded.length);
  const { digests } = lacking as { digests: readonly string[] };
  const wanted = new Set(digests);
  const files = new Map<string, FileEntry>();
  let treeBytes = 0;
  let fileCount = 0;
  for (const entry of manifest) {
    if (entry.type !== 'file') continue;
    fileCount++;
    treeBytes += entry.sizeBytes;
    if (wanted.has(entry.digest)) files.set(entry.digest, entry);
  }
  const lanes = new Lanes(uploadsAtOnce);
  const upload = async (file: FileEntry) => {
    await sendFile(join(root, file.path), file, send);
    onSent(file.sizeBytes);
  };
  await allOrFirstError([...files.values()].map((file) => lanes.run(() => upload(file))));
  const kept = (await send('PUT', `${path}${query}`, encoded, encoded.length)) as Kept;
  const sentBytes = [...files.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return { ...kept, files: fileCount, treeBytes, sentFiles: files.size, sentBytes };
}

/** Brings what a tree is made of, without its content. @returns the manifest's digest */
export async function pushManifest(manifest: Manifest, send: SendBytes): Promise<string> {
  const encoded = encodeManifest(manifest);
  const kept = await send('PUT', '/api/v1/manifests', encoded, encoded.length);
  return (kept as Kept).manifestDigest;
}

type Kept = Pick<Pushed, 'manifestDigest' | 'treeDigest'>;

/** Nothing goes on in the background after an error. */
async function allOrFirstError(actions: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(actions)) {
    if (result.status === 'rejected') throw result.reason;
  }
}

async function sendFile(path: string, file: FileEntry, send: SendBytes): Promise<void> {
  const { digest, sizeBytes } = file;
  const target = `/api/v1/blobs/${digest}`;
  if (sizeBytes > smallBytes) {
    const body = Readable.toWeb(createReadStream(path)) as ReadableStream;
    await send('PUT', target, body, sizeBytes);
    return;
  }
  const handle = await open(path, 'r');
  try {
    const bytes = await handle.readFile();
    await send('PUT', target, bytes, bytes.length);
  } finally {
    await handle.close();
  }
}
