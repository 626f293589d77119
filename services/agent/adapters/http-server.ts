import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { AssignmentRefused } from '#libs/assignment/errors.js';
import { openNotification } from '#libs/assignment/signed-notification.js';
import { steadyClock } from '#libs/clock/adapters/system-clock.js';
import type { Notification } from '#libs/contracts/index.js';
import { isOfFleet, listenerOptions } from '#libs/fleet-http/adapters/tls-listener.js';
import type { TlsIdentity, TrustRoot } from '#libs/keys/key-provider.js';
import { RateMeter } from '../app/rate-meter.js';
import type { ServiceHealth } from '../app/service-health.js';
import { type BlobServerOptions, serveBlob } from './blob-server.js';
import type { TimeAnswer } from './clock-offset.js';

export interface AgentHttpOptions extends BlobServerOptions {
  readonly host: string;
  readonly port: number;
  /** HTTPS by this; content and notifications are for those only who show a certificate too. */
  readonly tls?: TlsIdentity;
  /** Where others reach it, if not by host and port. */
  readonly publicUrl?: string;
  /** Who signs notifications that other leaders bring. */
  readonly trust: TrustRoot;
  /** The own segment: what is for another one is refused. */
  readonly segment: string;
  readonly onNotification: (notification: Notification) => void;
  /** The control plane's time, as this host knows it. */
  readonly time: () => TimeAnswer;
  /** Whether load balancers may send requests here. */
  readonly health: () => ServiceHealth;
}

export interface AgentHttp {
  readonly url: string;
  /** Open connections of others. */
  readonly connections: () => number;
  /** What others pull from here now. */
  readonly servedBytesPerS: () => number;
  /** Connections from now on are made with this. */
  identify(identity: TlsIdentity): void;
  close(): Promise<void>;
}

const maxNotificationBytes = 1024 * 1024;

/** Serves received containers to other leaders and to members, and takes notifications. */
export async function startAgentHttp(options: AgentHttpOptions): Promise<AgentHttp> {
  const { tls } = options;
  const served = new RateMeter(steadyClock);
  const serving = { ...options, onServed: (bytes: number) => served.add(bytes) };
  const listener: RequestListener = (request, response) => {
    handle(serving, request, response).catch(() => {
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end();
    });
  };
  const server = tls ? createTlsServer(listenerOptions(tls), listener) : createServer(listener);
  let connections = 0;
  server.on('connection', (socket) => {
    connections++;
    socket.once('close', () => connections--);
  });
  server.requestTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: options.publicUrl ?? `${tls ? 'https' : 'http'}://${options.host}:${port}`,
    connections: () => connections,
    servedBytesPerS: () => served.bytesPerS(),
    identify: (identity) => {
      if (tls) (server as TlsServer).setSecureContext(listenerOptions(identity));
    },
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
  const isPrivate = /^\/(blobs|notification)\b/.test(request.url ?? '');
  if (isPrivate && !isOfFleet(request)) {
    response.writeHead(403).end();
    return;
  }
  const blob = /^\/blobs\/([0-9a-f]{64})(?:\?|$)/.exec(request.url ?? '');
  if (request.method === 'GET' && blob?.[1]) return serveBlob(options, blob[1], request, response);
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
