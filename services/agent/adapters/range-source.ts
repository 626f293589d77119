import type { IncomingMessage } from 'node:http';
import type { Clock } from '#libs/clock/clock.js';
import type { PeerHttp } from '#libs/fleet-http/adapters/peer-http.js';

/** Thrown when a source did not give what it was asked for. */
export class SourceFailed extends Error {
  override readonly name = 'SourceFailed';
}

export interface RangeRequest {
  readonly url: string;
  readonly digest: string;
  readonly offset: number;
  readonly length: number;
  /** How long the source may wait for bytes that are on their way to it. */
  readonly waitMs: number;
  /** A piece of the length of a block must come within this, or the source is given up. */
  readonly stallMs: number;
  readonly asMember: boolean;
  /** W3C trace context of the run. */
  readonly traceparent?: string;
  /**
   * Gets the bytes as they come, in order; `enough` ends the request. What it throws ends the
   * request too, and is thrown.
   */
  readonly onBytes: (bytes: Uint8Array) => 'more' | 'enough';
}

const progressBytes = 65_536;

/**
 * Reads a range, no more than was asked for. A source that sends too slowly, too little, too much
 * or another status is given up. Redirects are not followed.
 * @throws SourceFailed, and what `onBytes` throws
 */
export async function fetchRange(
  request: RangeRequest,
  http: PeerHttp,
  clock: Clock,
): Promise<void> {
  const abort = new AbortController();
  const giveUp = () => abort.abort(new Error('it sends too slowly'));
  let cancel = clock.schedule(request.stallMs + request.waitMs, giveUp);
  const onProgress = () => {
    cancel();
    cancel = clock.schedule(request.stallMs, giveUp);
  };
  try {
    await readBody(await open(request, http, abort.signal), request, onProgress);
  } catch (error) {
    abort.abort();
    const reason: unknown = abort.signal.reason;
    throw failureOf(request.url, isAbort(error) ? reason : error);
  } finally {
    cancel();
  }
}

/** Events instead of an iterator: packets are small, and an iteration for each costs more. */
function readBody(
  body: IncomingMessage,
  { length, onBytes }: RangeRequest,
  onProgress: () => void,
): Promise<void> {
  let received = 0;
  let nextProgress = progressBytes;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      body.destroy();
      reject(error);
    };
    body.on('data', (bytes: Buffer) => {
      received += bytes.length;
      if (received > length) return fail(new Error('it sent more than was asked for'));
      if (received >= nextProgress) {
        nextProgress = received + progressBytes;
        onProgress();
      }
      try {
        if (onBytes(bytes) === 'more') return;
      } catch (error) {
        return fail(new Unfit(error));
      }
      resolve();
      body.destroy();
    });
    body.once('error', fail);
    body.once('close', () => fail(new Error('it broke off')));
    body.once('end', () => {
      if (received < length) fail(new Error('it sent less than was asked for'));
      else resolve();
    });
  });
}

/** What the receiver throws is no failure of the network. */
class Unfit {
  constructor(readonly error: unknown) {}
}

async function open(
  { url, digest, offset, length, waitMs, asMember, traceparent }: RangeRequest,
  http: PeerHttp,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const response = await http.request(`${url}/blobs/${digest}`, {
    headers: {
      range: `bytes=${offset}-${offset + length - 1}`,
      ...(waitMs > 0 ? { prefer: `wait=${Math.ceil(waitMs / 1_000)}` } : {}),
      ...(asMember ? { 'espalier-member': '1' } : {}),
      ...(traceparent ? { traceparent } : {}),
    },
    signal,
    expect: 'fleet',
  });
  if (response.status === 206) return response.body;
  response.body.destroy();
  throw new Error(`it answered ${response.status}`);
}

function isAbort(error: unknown): boolean {
  return (error as Error).name === 'AbortError';
}

function failureOf(url: string, error: unknown): unknown {
  if (error instanceof Unfit) return error.error;
  const { message, cause } = error as Error;
  const reason = cause instanceof Error ? `${message}: ${cause.message}` : message;
  return new SourceFailed(`${url}: ${reason}`, { cause: error });
}
