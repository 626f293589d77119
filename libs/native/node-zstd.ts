import { Readable, type Transform } from 'node:stream';
import zlib from 'node:zlib';
import { CorruptFrame, OutputTooLarge, type ZstdCodec } from './zstd-codec.js';

/** The part of node:zlib that came with Node 22.15. */
interface ZlibWithZstd {
  readonly constants: Record<string, number>;
  createZstdCompress?(options: ZstdOptions): Transform;
  createZstdDecompress?(options: ZstdOptions): Transform;
}

interface ZstdOptions {
  readonly params: Record<number, number>;
}

/** zstd of Node itself, undefined where it has none. It knows no reference prefix. */
export function openNodeZstd(streamWindowLog: number): ZstdCodec | undefined {
  const { constants, createZstdCompress, createZstdDecompress } = zlib as unknown as ZlibWithZstd;
  if (!createZstdCompress || !createZstdDecompress) return undefined;
  const compressor = (level: number) =>
    createZstdCompress({ params: { [constant(constants, 'ZSTD_c_compressionLevel')]: level } });
  const windowLogMax = constant(constants, 'ZSTD_d_windowLogMax');
  const decompressor = () => createZstdDecompress({ params: { [windowLogMax]: streamWindowLog } });
  const decompressStream = (chunks: AsyncIterable<Uint8Array>, maxBytes: number) =>
    limited(through(chunks, decompressor()), maxBytes);
  return {
    compress: (bytes, level) => join(through(one(bytes), compressor(level))),
    decompress: (frame, maxBytes) => join(decompressStream(one(frame), maxBytes)),
    compressStream: (chunks, level) => through(chunks, compressor(level)),
    decompressStream,
  };
}

function constant(constants: Record<string, number>, name: string): number {
  const value = constants[name];
  if (value === undefined) throw new Error(`node:zlib has no constant ${name}`);
  return value;
}

async function* through(
  chunks: AsyncIterable<Uint8Array>,
  transform: Transform,
): AsyncGenerator<Uint8Array, void, undefined> {
  const source = Readable.from(chunks, { objectMode: true });
  source.on('error', (error) => transform.destroy(error));
  try {
    yield* source.pipe(transform) as AsyncIterable<Uint8Array>;
  } finally {
    source.destroy();
    transform.destroy();
  }
}

async function* limited(
  pieces: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let total = 0;
  try {
    for await (const piece of pieces) {
      total += piece.length;
      if (total > maxBytes) throw new OutputTooLarge(maxBytes);
      yield piece;
    }
  } catch (cause) {
    if (!isZstdError(cause)) throw cause;
    throw new CorruptFrame('no sound zstd frame', { cause });
  }
}

function isZstdError(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code !== undefined && /^(ZSTD_|Z_|ERR_ZSTD|ERR_ZLIB)/.test(code);
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

async function join(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}
