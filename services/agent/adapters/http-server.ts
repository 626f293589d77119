import { type FileHandle, open } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AssignmentRefused } from '#libs/assignment/errors.js';
import { openNotification } from '#libs/assignment/signed-notification.js';
import { requestedRange } from '#libs/content-store/http-range.js';
import type { Notification } from '#libs/contracts/index.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';
import type { ServiceHealth } from '../app/service-health.js';
import type { TimeAnswer } from './clock-offset.js';
import type { ContainerSpool } from './container-spool.js';

export interface AgentHttpOptions {
  readonly host: string;
  readonly port: number;
  readonly spool: ContainerSpool;
  /** Who signs notifications that other leaders bring. */
  readonly trust: TrustRoot;
  /** The own segment: what is for another one is refused. */
  readonly segment: string;
  readonly onNotification: (notification: Notification) => void;
  /** The control plane's time, as this host knows it. */
  readonly time: () => TimeAnswer;
  /** Whether load balancers may send requests here. */
  readonly health: () => ServiceHealth;
  /** Told how many bytes of a container went to members of the own segment. */
  readonly onServedToMember: (digest: string, bytes: number) => void;
}

export interface AgentHttp {
  readonly url: string;
  close(): Promise<void>;
}

const maxNotificationBytes = 1024 * 1024;
const maxWaitMs = 60_000;
const pieceBytes = 256 * 1024;
/** A client that takes nothing for so long has gone. */
const unreadTimeoutMs = 60_000;

/** Serves received containers to other leaders and to members, and takes notifications. */
export async function startAgentHttp(options: AgentHttpOptions): Promise<AgentHttp> {
  const server = createServer((request, response) => {
    handle(options, request, response).catch(() => {
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end();
    });
  });
  server.requestTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${options.host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function handle(
  options: AgentHttpOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const blob = /^\/blobs\/([0-9a-f]{64})$/.exec(request.url ?? '');
  if (request.method === 'GET' && blob?.[1]) return serve(options, blob[1], request, response);
  if (request.method === 'POST' && request.url === '/notification') {
    response.writeHead(await takeNotification(options, request)).end();
    return;
  }
  if (request.method === 'GET' && request.url === '/time') {
    return answer(response, 200, options.time());
  }
  if (request.method === 'GET' && request.url === '/lb/health') {
    const health = options.health();
    return answer(response, health.inService ? 200 : 503, health);
  }
  const healthy = request.method === 'GET' && request.url === '/livez';
  response.writeHead(healthy ? 200 : 404).end();
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(body)}\n`);
}

/** A whole container, or what has come of one: the rest follows as it comes. */
async function serve(
  options: AgentHttpOptions,
  digest: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const readable = await readableContainer(options.spool, digest, waitOf(request));
  if (!readable) {
    response.writeHead(404).end();
    return;
  }
  try {
    await sendRange(options, readable, digest, request, response);
  } finally {
    await readable.file.close();
  }
}

async function sendRange(
  { onServedToMember }: AgentHttpOptions,
  readable: ReadableContainer,
  digest: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { sizeBytes } = readable;
  const range = requestedRange(request.headers.range, sizeBytes);
  if (range.kind === 'unsatisfiable') {
    response.writeHead(416, { 'content-range': `bytes */${sizeBytes}` }).end();
    return;
  }
  const { offset, length } = range.kind === 'part' ? range : { offset: 0, length: sizeBytes };
  if ((await readable.readableTo(offset)) <= offset) {
    response.writeHead(503, { 'retry-after': '1' }).end();
    return;
  }
  const end = offset + length;
  response.writeHead(range.kind === 'part' ? 206 : 200, {
    'content-length': length,
    'content-type': 'application/octet-stream',
    ...(range.kind === 'part'
      ? { 'content-range': `bytes ${offset}-${end - 1}/${sizeBytes}` }
      : {}),
  });
  if (request.headers['espalier-member']) onServedToMember(digest, length);
  response.setTimeout(unreadTimeoutMs, () => response.destroy());
  await pipeline(Readable.from(pieces(readable, offset, end), { objectMode: false }), response);
}

/** Ends with an error when what follows does not come in time: the reader asks another source. */
async function* pieces(
  { file, readableTo }: ReadableContainer,
  offset: number,
  end: number,
): AsyncGenerator<Buffer> {
  for (let at = offset; at < end; ) {
    const to = Math.min(end, at + pieceBytes, await readableTo(at));
    const bytes = Buffer.allocUnsafe(Math.max(0, to - at));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, at);
    if (bytesRead === 0) throw new Error('the rest does not come');
    at += bytesRead;
    yield bytes.subarray(0, bytesRead);
  }
}

/** A container that is on disk as far as `readableTo` says. */
interface ReadableContainer {
  readonly file: FileHandle;
  readonly sizeBytes: number;
  /** Waits for something to read at `offset`, but not for ever. */
  readonly readableTo: (offset: number) => Promise<number>;
}

async function readableContainer(
  spool: ContainerSpool,
  digest: string,
  waitMs: number,
): Promise<ReadableContainer | undefined> {
  const whole = await openIfThere(spool.containerPath(digest));
  if (whole) return wholeContainer(whole);
  const arriving = await spool.arrivingWithin(digest, waitMs);
  const part = arriving && (await openIfThere(spool.partPath(digest)));
  if (arriving && part) {
    const readableTo = (offset: number) => arriving.readable(offset, waitMs);
    return { file: part, sizeBytes: arriving.containerBytes, readableTo };
  }
  const completed = await openIfThere(spool.containerPath(digest));
  return completed && wholeContainer(completed);
}

async function wholeContainer(file: FileHandle): Promise<ReadableContainer> {
  const { size } = await file.stat();
  return { file, sizeBytes: size, readableTo: async () => size };
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch {
    return undefined;
  }
}

/** How long the client lets us wait for what is on its way (RFC 7240, `wait`). */
function waitOf(request: IncomingMessage): number {
  const seconds = /\bwait=(\d{1,4})\b/.exec(String(request.headers.prefer ?? ''))?.[1];
  return Math.min(Number(seconds ?? 0) * 1_000, maxWaitMs);
}

/** @returns the status of the answer */
async function takeNotification(
  { trust, segment, onNotification }: AgentHttpOptions,
  request: IncomingMessage,
): Promise<number> {
  const bytes = await bodyOf(request);
  try {
    const notification = openNotification(bytes, trust);
    if (notification.segment !== segment) return 403;
    onNotification(notification);
    return 204;
  } catch (error) {
    if (error instanceof AssignmentRefused) return 403;
    throw error;
  }
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let received = 0;
  for await (const chunk of request) {
    received += (chunk as Buffer).length;
    if (received > maxNotificationBytes) throw new Error('the notification is too long');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}
