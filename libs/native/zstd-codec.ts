import type { TakeMemory } from './work-memory.js';

/** Bytes that are no zstd frame, or a damaged one. */
export class CorruptFrame extends Error {
  override readonly name = 'CorruptFrame';
}

/** Content that is longer than it may be: stopped before it was expanded. */
export class OutputTooLarge extends Error {
  override readonly name = 'OutputTooLarge';
  constructor(readonly maxBytes: number) {
    super(`the content is longer than the allowed ${maxBytes} bytes`);
  }
}

/** What no provider on this host can do. */
export class NotSupportedHere extends Error {
  override readonly name = 'NotSupportedHere';
}

export interface PrefixOptions {
  /** 1 to 19. */
  readonly level: number;
  /** Finds matches anywhere in the prefix; worth it above about 1 MB, costs a little below. */
  readonly longDistance: boolean;
}

/** One implementation of zstd. Long work leaves the event loop free. */
export interface ZstdCodec {
  compress(bytes: Uint8Array, level: number): Promise<Uint8Array>;
  /** @throws CorruptFrame, OutputTooLarge */
  decompress(frame: Uint8Array, maxBytes: number): Promise<Uint8Array>;
  /** One frame from pieces, in bounded memory. */
  compressStream(
    chunks: AsyncIterable<Uint8Array>,
    level: number,
  ): AsyncGenerator<Uint8Array, void, undefined>;
  /** A piece is valid until the next is taken. @throws CorruptFrame, OutputTooLarge */
  decompressStream(
    chunks: AsyncIterable<Uint8Array>,
    maxBytes: number,
  ): AsyncGenerator<Uint8Array, void, undefined>;
}

/** zstd with a reference prefix: the difference of two files (`zstd --patch-from`). */
export interface ZstdPrefixCodec {
  compressWithPrefix(
    bytes: Uint8Array,
    prefix: Uint8Array,
    options: PrefixOptions,
  ): Promise<Uint8Array>;
  /**
   * @param take gives the memory of the result
   * @throws CorruptFrame (a wrong prefix too, mostly), OutputTooLarge
   */
  decompressWithPrefix(
    frame: Uint8Array,
    prefix: Uint8Array,
    maxBytes: number,
    take: TakeMemory,
  ): Promise<Uint8Array>;
}
