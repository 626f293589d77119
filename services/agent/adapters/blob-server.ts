import type { IncomingMessage, ServerResponse } from 'node:http';
import { requestedRange } from '#libs/content-store/http-range.js';
import { stridedBytes, stridedParts, strideIn } from '#libs/content-store/http-stride.js';
import { type LinkGate, weightOf } from '#libs/tree/link-gate.js';
import type { ContainerSpool } from './container-spool.js';
import type { ReadableContainer } from './readable-container.js';

export interface BlobServerOptions {
  readonly spool: ContainerSpool;
  /** What goes out waits here for its turn. */
  readonly uplink?: LinkGate | undefined;
  /** Told of all bytes of containers as they go out. */
  readonly onServed?: (bytes: number) => void;
  /** Told how many bytes of a container went to members of the own segment. */
  readonly onServedToMember: (digest: string, bytes: number) => void;
}

const maxWaitMs = 60_000;
/** What takes its turn on the uplink as one. */
const pieceBytes = 64 * 1024;
/** A client that takes nothing for so long has gone. */
const unreadTimeoutMs = 60_000;

/** Sends a whole container, or what has come of one: the rest follows as it comes. */
export async function serveBlob(
  options: BlobServerOptions,
  digest: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const container = await options.spool.open(digest, waitOf(request));
  if (!container) {
    response.writeHead(404).end();
    return;
  }
  try {
    await sendRange(options, container, digest, request, response);
  } finally {
    await container.release();
  }
}

/** Who does not wait wants all that it asks for, or nothing. */
async function sendRange(
  options: BlobServerOptions,
  container: ReadableContainer,
  digest: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { sizeBytes } = container;
  const stride = strideIn(request.url ?? '');
  const range = requestedRange(stride ? undefined : request.headers.range, sizeBytes);
  if (range.kind === 'unsatisfiable' || (stride && stride.fromByte >= sizeBytes)) {
    response.writeHead(416, { 'content-range': `bytes */${sizeBytes}` }).end();
    return;
  }
  const isPart = range.kind === 'part';
  const { offset, length } = isPart ? range : { offset: stride?.fromByte ?? 0, length: sizeBytes };
  const waitMs = waitOf(request);
  const least = waitMs > 0 ? offset + 1 : Math.min(sizeBytes, offset + length);
  if ((await container.readable(offset, waitMs)) < least) {
    response.writeHead(503, { 'retry-after': '1' }).end();
    return;
  }
  const total = stride ? stridedBytes(stride, sizeBytes) : length;
  const last = offset + length - 1;
  response.writeHead(isPart ? 206 : 200, {
    'content-length': total,
    'content-type': 'application/octet-stream',
    ...(isPart ? { 'content-range': `bytes ${offset}-${last}/${sizeBytes}` } : {}),
  });
  if (request.headers['espalier-member']) options.onServedToMember(digest, total);
  response.setTimeout(unreadTimeoutMs, () => response.destroy());
  for (const part of stride ? stridedParts(stride, sizeBytes) : [{ offset, length }]) {
    await sendPart(options, container, { ...part, digest, waitMs }, response);
  }
  response.end();
}

async function sendPart(
  { uplink, onServed }: BlobServerOptions,
  container: ReadableContainer,
  part: { offset: number; length: number; digest: string; waitMs: number },
  response: ServerResponse,
): Promise<void> {
  const { offset, length, digest, waitMs } = part;
  const end = offset + length;
  for (let at = offset; at < end && !response.destroyed; ) {
    const to = Math.min(end, at + pieceBytes, await container.readable(at, waitMs));
    const bytes = await container.read(at, Math.max(0, to - at));
    if (bytes.length === 0) throw new Error('the rest does not come: another source is asked');
    at += bytes.length;
    const passed = await uplink?.pass(digest, weightOf(container.sizeBytes), bytes.length);
    onServed?.(bytes.length);
    if (!response.write(bytes, passed) && !response.destroyed) await drained(response);
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}

/** How long the client lets us wait for what is on its way (RFC 7240, `wait`). */
function waitOf(request: IncomingMessage): number {
  const seconds = /\bwait=(\d{1,4})\b/.exec(String(request.headers.prefer ?? ''))?.[1];
  return Math.min(Number(seconds ?? 0) * 1_000, maxWaitMs);
}
