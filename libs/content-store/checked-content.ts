import { createHash } from 'node:crypto';
import { DigestMismatch } from './content-store.js';

/** Thrown for content that goes on after its announced end. */
export class ContentTooLong extends Error {
  override readonly name = 'ContentTooLong';
  constructor(what: string, maxBytes: number) {
    super(`${what} is longer than the announced ${maxBytes} bytes`);
  }
}

/**
 * Passes content through, and fails at its end, before the reader can take it for complete, when
 * it is not what its digest says.
 * @param what names the source in errors
 * @throws ContentTooLong, DigestMismatch
 */
export async function* checkedContent(
  content: AsyncIterable<Uint8Array>,
  { digest, maxBytes, what }: { digest: string; maxBytes: number; what: string },
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash('sha256');
  let received = 0;
  for await (const bytes of content) {
    received += bytes.length;
    if (received > maxBytes) throw new ContentTooLong(what, maxBytes);
    hash.update(bytes);
    yield bytes;
  }
  const actual = hash.digest('hex');
  if (actual !== digest) throw new DigestMismatch(what, digest, actual);
}
