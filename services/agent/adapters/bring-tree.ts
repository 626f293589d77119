import { Readable } from 'node:stream';
import type { ReadableStream as NodeWebStream } from 'node:stream/web';
import { pushManifest, pushTree, type SendBytes } from '#libs/content-store/adapters/push-tree.js';
import { DomainError } from '#libs/contracts/index.js';
import { scanTree } from '#libs/delta/adapters/scan-tree.js';
import type { ScanCache } from '#libs/delta/scan.js';
import { FileChangedWhileRead } from '#libs/delta/scan-errors.js';
import { type PeerHttp, readAll } from '#libs/fleet-http/adapters/peer-http.js';
import type { BringTree } from '../app/staging-role.js';

/** Where a staging server brings what it has, and what admits it. */
export interface StagingAccess {
  /** Name of the staging server. */
  readonly server: string;
  /** Base URL of the gateway. */
  readonly controlUrl: string;
  readonly token: string;
  readonly http: PeerHttp;
}

/** The control plane's refusal of what was brought. */
export class BringingRefused extends DomainError {
  override readonly name = 'BringingRefused';
  constructor(
    readonly status: number,
    message: string,
    remedy: string,
  ) {
    super(message, remedy);
  }
}

const octets = 'application/octet-stream';
const maxAttempts = 3;
const longestAnswerBytes = 512 * 1024 ** 2;
/** A connection that is slower is given up: 20 KB/s. */
const slowestBytesPerMs = 20;
const requestTimeoutMs = 60_000;

/** Scans and pushes; what an earlier scan of the directory read is not read again. */
export function bringTreeTo(access: StagingAccess): BringTree {
  const caches = new Map<string, ScanCache>();
  const send = senderTo(access);
  const bring: BringTree = async (directory, order, onSent) => {
    const { site, place, filters, dryRun } = order;
    const previous = caches.get(directory);
    const scan = await scanTree(directory, { rules: filters, place, previous });
    caches.set(directory, scan.cache);
    const { root, manifest } = scan;
    if (dryRun) return { manifestDigest: bytes(await pushManifest(manifest, send)) };
    const { server } = access;
    const pushed = await pushTree({ site, server, root, manifest }, send, onSent);
    const { manifestDigest, sentFiles, sentBytes } = pushed;
    return {
      manifestDigest: bytes(manifestDigest),
      sentFiles: BigInt(sentFiles),
      sentBytes: BigInt(sentBytes),
    };
  };
  return async (directory, order, onSent) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await bring(directory, order, onSent);
      } catch (error) {
        if (attempt === maxAttempts || !mayPass(error)) throw error;
        // What was remembered may be what is wrong.
        caches.delete(directory);
      }
    }
  };
}

/** A file that changed, or vanished, between scan and upload; a connection that broke. */
function mayPass(error: unknown): boolean {
  if (error instanceof BringingRefused) return error.status === 400;
  return !(error instanceof DomainError) || error instanceof FileChangedWhileRead;
}

/** Uploads by HTTP, and reads the JSON of the answers. */
export function senderTo({ controlUrl, token, http }: StagingAccess): SendBytes {
  return async (method, path, body, sizeBytes) => {
    const response = await http.request(`${controlUrl}${path}`, {
      method,
      headers: {
        'content-type': octets,
        'content-length': String(sizeBytes),
        authorization: `Bearer ${token}`,
      },
      body: body instanceof Uint8Array ? body : Readable.fromWeb(body as NodeWebStream),
      signal: AbortSignal.timeout(requestTimeoutMs + Math.ceil(sizeBytes / slowestBytesPerMs)),
      expect: 'control-plane',
    });
    const reply = (await readAll(response, longestAnswerBytes)).toString();
    if (response.status < 300) return reply === '' ? undefined : JSON.parse(reply);
    throw refusalIn(response.status, reply);
  };
}

function refusalIn(status: number, reply: string): BringingRefused {
  try {
    const { message, remedy } = JSON.parse(reply) as { message: string; remedy: string };
    return new BringingRefused(status, message, remedy);
  } catch {
    return new BringingRefused(status, `the control plane answers ${status}`, 'check its URL');
  }
}

function bytes(digest: string): Uint8Array {
  return new Uint8Array(Buffer.from(digest, 'hex'));
}
