import { createRequire } from 'node:module';
import { CorruptFrame, NotSupportedHere, OutputTooLarge, type ZstdCodec } from './zstd-codec.js';

const require = createRequire(import.meta.url);

/** The part of the package fzstd that is used: a decoder in plain JavaScript. */
interface Fzstd {
  Decompress: new (
    onData: (piece: Uint8Array, isLast: boolean) => void,
  ) => { push(chunk: Uint8Array, isLast: boolean): void };
}

/** Pushed at a time, so that a bomb is noticed after a few blocks. */
const pushBytes = 4096;

/** Decoding without native code, undefined where the package fzstd is not installed. */
export function openPortableZstd(load = loadFzstd): ZstdCodec | undefined {
  const fzstd = load();
  if (!fzstd) return undefined;
  const decompressStream = (chunks: AsyncIterable<Uint8Array>, maxBytes: number) =>
    decompressPieces(fzstd, chunks, maxBytes);
  return {
    compress: async () => refuseCompression(),
    compressStream: () => refuseCompression(),
    decompress: async (frame, maxBytes) => {
      const pieces: Uint8Array[] = [];
      for await (const piece of decompressStream(one(frame), maxBytes)) pieces.push(piece);
      return Buffer.concat(pieces);
    },
    decompressStream,
  };
}

function loadFzstd(): Fzstd | undefined {
  try {
    return require('fzstd') as Fzstd;
  } catch {
    return undefined;
  }
}

async function* decompressPieces(
  fzstd: Fzstd,
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let pieces: Uint8Array[] = [];
  let total = 0;
  let isEmpty = true;
  const stream = new fzstd.Decompress((piece) => {
    total += piece.length;
    if (total > maxBytes) throw new OutputTooLarge(maxBytes);
    if (piece.length > 0) pieces.push(piece.slice());
  });
  const push = (chunk: Uint8Array, isLast: boolean) => {
    try {
      stream.push(chunk, isLast);
    } catch (cause) {
      if (cause instanceof OutputTooLarge) throw cause;
      throw new CorruptFrame('no sound zstd frame', { cause });
    }
  };
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += pushBytes) {
      isEmpty = false;
      push(chunk.subarray(at, at + pushBytes), false);
      yield* pieces;
      pieces = [];
    }
  }
  if (isEmpty) throw new CorruptFrame('an empty input is no zstd frame');
  push(new Uint8Array(0), true);
  yield* pieces;
}

function refuseCompression(): never {
  throw new NotSupportedHere('this host can decompress zstd only: it has no libzstd.so.1');
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
