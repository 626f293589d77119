import type { Clock } from '#libs/clock/clock.js';

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
  readonly onBytes: (count: number) => void;
}

const progressBytes = 65_536;

/**
 * The bytes of a range as they come, no more than were asked for. A source that sends too slowly,
 * too little, too much or another status is given up. Redirects are not followed.
 * @throws SourceFailed
 */
export async function* fetchRange(request: RangeRequest, clock: Clock): AsyncGenerator<Uint8Array> {
  const abort = new AbortController();
  const giveUp = () => abort.abort(new Error('it sends too slowly'));
  let cancel = clock.schedule(request.stallMs + request.waitMs, giveUp);
  let received = 0;
  let nextProgress = progressBytes;
  try {
    const body = await open(request, abort.signal);
    for await (const chunk of body) {
      received += chunk.length;
      request.onBytes(chunk.length);
      if (received > request.length) throw new Error('it sent more than was asked for');
      if (received >= nextProgress) {
        nextProgress = received + progressBytes;
        cancel();
        cancel = clock.schedule(request.stallMs, giveUp);
      }
      yield chunk;
    }
    if (received < request.length) throw new Error('it sent less than was asked for');
  } catch (error) {
    throw failureOf(request.url, error);
  } finally {
    cancel();
    if (received !== request.length) abort.abort();
  }
}

async function open(
  { url, digest, offset, length, waitMs, asMember }: RangeRequest,
  signal: AbortSignal,
) {
  const response = await fetch(`${url}/blobs/${digest}`, {
    headers: {
      range: `bytes=${offset}-${offset + length - 1}`,
      ...(waitMs > 0 ? { prefer: `wait=${Math.ceil(waitMs / 1_000)}` } : {}),
      ...(asMember ? { 'espalier-member': '1' } : {}),
    },
    redirect: 'error',
    signal,
  });
  if (response.status === 206 && response.body) return response.body;
  await response.body?.cancel();
  throw new Error(`it answered ${response.status}`);
}

function failureOf(url: string, error: unknown): SourceFailed {
  if (error instanceof SourceFailed) return error;
  const { message, cause } = error as Error;
  const reason = cause instanceof Error ? `${message}: ${cause.message}` : message;
  return new SourceFailed(`${url}: ${reason}`, { cause: error });
}
