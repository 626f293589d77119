import { openLibzstd, streamWindowLog } from './libzstd.js';
import { openNodeZstd } from './node-zstd.js';
import { openPortableZstd } from './portable-zstd.js';
import { newMemory, type TakeMemory } from './work-memory.js';
import {
  NotSupportedHere,
  type PrefixOptions,
  type ZstdCodec,
  type ZstdPrefixCodec,
} from './zstd-codec.js';

/** Where zstd comes from; `decoder`: decompression only. */
export type ZstdProviderName = 'libzstd' | 'node' | 'decoder' | 'none';

export interface ZstdProvider {
  readonly name: ZstdProviderName;
  readonly codec?: ZstdCodec;
  readonly prefix?: ZstdPrefixCodec;
}

let chosen: ZstdProvider | undefined;

/** The best provider of this host; probed once. */
export function zstdProvider(): ZstdProvider {
  chosen ??= probeZstd();
  return chosen;
}

function probeZstd(): ZstdProvider {
  const native = openLibzstd();
  if (native) return { name: 'libzstd', codec: native, prefix: native };
  const node = openNodeZstd(streamWindowLog);
  if (node) return { name: 'node', codec: node };
  const decoder = openPortableZstd();
  return decoder ? { name: 'decoder', codec: decoder } : { name: 'none' };
}

/** Whether `compress` works: some hosts can only read frames. */
export function canCompressHere(): boolean {
  const { name } = zstdProvider();
  return name === 'libzstd' || name === 'node';
}

/** One frame. @throws NotSupportedHere */
export async function compress(bytes: Uint8Array, level: number): Promise<Uint8Array> {
  return codec().compress(bytes, level);
}

/** @throws CorruptFrame, OutputTooLarge, NotSupportedHere */
export async function decompress(frame: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  return codec().decompress(frame, maxBytes);
}

/** One frame, in bounded memory. @throws NotSupportedHere */
export async function* compressStream(
  chunks: AsyncIterable<Uint8Array>,
  level: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* codec().compressStream(chunks, level);
}

/**
 * In bounded memory; a piece is valid until the next is taken.
 * @throws CorruptFrame, OutputTooLarge, NotSupportedHere
 */
export async function* decompressStream(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* codec().decompressStream(chunks, maxBytes);
}

/** What makes `prefix` into `bytes`. @throws NotSupportedHere */
export async function compressWithPrefix(
  bytes: Uint8Array,
  prefix: Uint8Array,
  options: PrefixOptions,
): Promise<Uint8Array> {
  return prefixCodec().compressWithPrefix(bytes, prefix, options);
}

/**
 * Reverses `compressWithPrefix`.
 * @param take gives the memory of the result
 * @throws CorruptFrame, OutputTooLarge, NotSupportedHere
 */
export async function decompressWithPrefix(
  frame: Uint8Array,
  prefix: Uint8Array,
  maxBytes: number,
  take: TakeMemory = newMemory,
): Promise<Uint8Array> {
  return prefixCodec().decompressWithPrefix(frame, prefix, maxBytes, take);
}

function codec(): ZstdCodec {
  const { codec } = zstdProvider();
  if (codec) return codec;
  throw new NotSupportedHere(
    'this host has no zstd: install libzstd.so.1, or run Node 22.15 or newer',
  );
}

function prefixCodec(): ZstdPrefixCodec {
  const { prefix } = zstdProvider();
  if (prefix) return prefix;
  throw new NotSupportedHere('this host cannot apply zstd patches: install libzstd.so.1');
}
