import type { IncomingMessage } from 'node:http';
import type { Clock } from '#libs/clock/clock.js';
import { type Stride, strideQuery } from '#libs/content-store/http-stride.js';
import type { PeerHttp } from '#libs/fleet-http/adapters/peer-http.js';

/** Thrown when a source did not give what it was asked for. */
export class SourceFailed extends Error {
  override readonly name: string = 'SourceFailed';
}

/** What a taker says of bytes that came: whether it wants more. */
export type Appetite = 'more' | 'enough';

export interface RangeRequest {
  readonly url: string;
  readonly digest: string;
  readonly offset: number;
  /** How many bytes are asked for. */
  readonly length: number;
  /** Instead of what follows `offset`: what a stride takes of the blob. */
  readonly stride?: Stride;
  /** How long the source may wait for bytes that are on their way to it. */
  readonly waitMs: number;
  /** A piece of the length of a block must come within this, or the source is given up. */
  readonly stallMs: number;
  readonly asMember: boolean;
  /** W3C trace context of the run. */
  readonly traceparent?: string;
  /**
   * Gets the bytes as they come, in order; `enough` ends the request. While it makes up its mind
   * nothing is read. What it throws ends the request too, and is thrown.
   */
  readonly onBytes: (bytes: Uint8Array) => Appetite | Promise<Appetite>;
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
  const stall: Stall = {
    hold: () => cancel(),
    begin: () => {
      cancel();
      cancel = clock.schedule(request.stallMs + (request.stride ? request.waitMs : 0), giveUp);
    },
  };
  try {
    await readBody(await open(request, http, abort.signal), request, stall);
  } catch (error) {
    abort.abort();
    const reason: unknown = abort.signal.reason;
    throw failureOf(request.url, isAbort(error) ? reason : error);
  } finally {
    cancel();
  }
}

/** The time that a source has for its next piece. */
interface Stall {
  readonly begin: () => void;
  readonly hold: () => void;
}

/** Events instead of an iterator: packets are small, and an iteration for each costs more. */
function readBody(
  body: IncomingMessage,
  { length, onBytes }: RangeRequest,
  stall: Stall,
): Promise<void> {
  let received = 0;
  let nextProgress = progressBytes;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      body.destroy();
      reject(error);
    };
    const goOn = (appetite: Appetite) => {
      if (appetite === 'more') return;
      resolve();
      if (received < length) body.destroy();
    };
    body.on('data', (bytes: Buffer) => {
      received += bytes.length;
      if (received > length) return fail(new Error('it sent more than was asked for'));
      if (received >= nextProgress) {
        nextProgress = received + progressBytes;
        stall.begin();
      }
      try {
        const appetite = onBytes(bytes);
        if (typeof appetite === 'string') return goOn(appetite);
        body.pause();
        stall.hold();
        appetite.then(
          (later) => {
            if (body.destroyed) return;
            stall.begin();
            body.resume();
            goOn(later);
          },
          (error: unknown) => fail(new Unfit(error)),
        );
      } catch (error) {
        fail(new Unfit(error));
      }
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

/** Thrown by a source that serves no strides: it may be of an older version. */
export class NoStrides extends SourceFailed {
  override readonly name = 'NoStrides';
}

async function open(
  { url, digest, offset, length, stride, waitMs, asMember, traceparent }: RangeRequest,
  http: PeerHttp,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const query = stride ? `?${strideQuery(stride)}` : '';
  const { status, headers, body } = await http.request(`${url}/blobs/${digest}${query}`, {
    headers: {
      ...(stride ? {} : { range: `bytes=${offset}-${offset + length - 1}` }),
      ...(waitMs > 0 ? { prefer: `wait=${Math.ceil(waitMs / 1_000)}` } : {}),
      ...(asMember ? { 'espalier-member': '1' } : {}),
      ...(traceparent ? { traceparent } : {}),
    },
    signal,
    expect: 'fleet',
  });
  const isStrided = stride && status === 200 && headers['content-length'] === String(length);
  if (stride ? isStrided : status === 206) return body;
  body.destroy();
  if (stride && (status === 200 || status === 404)) throw new NoStrides(`${url} serves no strides`);
  throw new Error(`it answered ${status}`);
}

function isAbort(error: unknown): boolean {
  return (error as Error).name === 'AbortError';
}

function failureOf(url: string, error: unknown): unknown {
  if (error instanceof Unfit) return error.error;
  if (error instanceof NoStrides) return error;
  const { message, cause } = error as Error;
  const reason = cause instanceof Error ? `${message}: ${cause.message}` : message;
  return new SourceFailed(`${url}: ${reason}`, { cause: error });
}
