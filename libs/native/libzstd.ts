import { callOnThread, loadLibrary, type NativeFunction, type NativeLibrary } from './ffi.js';
import { StreamStep } from './stream-step.js';
import { newMemory, type TakeMemory, WorkMemory } from './work-memory.js';
import {
  CorruptFrame,
  OutputTooLarge,
  type PrefixOptions,
  type ZstdCodec,
  type ZstdPrefixCodec,
} from './zstd-codec.js';

/** Parameters and operations of zstd.h. */
const parameter = { level: 100, windowLog: 101, longDistance: 160 } as const;
const decoderWindowLogMax = 100;
/** ZSTD_reset_session_and_parameters. */
const resetAll = 3;
/** Compressors of small content are used again: new tables cost more than the work. */
const spareWorkBytes = 2 * 1024 ** 2;
const mostSpares = 3;
const spareMemoryBytes = 16 * 1024 ** 2;
const operation = { continue: 0, end: 2 } as const;

/** 8 MiB: what our own levels need; a frame that wants more would cost its reader that much. */
export const streamWindowLog = 23;
const largestWindowLog = 31;
const smallestWindowLog = 10;
const outputBytes = 131_072;
/** Below this a thread costs more than the work. */
const threadWorthBytes = 32_768;
/** Decoded on the calling thread between two turns of the event loop: a millisecond. */
const turnBytes = 1024 ** 2;
const unknownSize = 2n ** 64n - 1n;
const errorSize = 2n ** 64n - 2n;

/** The functions of libzstd.so.1 that are used, undefined where there is no such library. */
export function openLibzstd(): (ZstdCodec & ZstdPrefixCodec) | undefined {
  const library = loadLibrary('libzstd.so.1');
  if (!library) return undefined;
  try {
    return codecOver(declare(library));
  } catch {
    return undefined;
  }
}

type Zstd = ReturnType<typeof declare>;

function declare(library: NativeLibrary) {
  const context = 'void *';
  const buffer = 'void *, size_t';
  /** Output and input, each with the place of its position. */
  const steps = `${buffer}, void *, ${buffer}, void *`;
  return {
    bound: library.func('size_t ZSTD_compressBound(size_t)'),
    isError: library.func('unsigned int ZSTD_isError(size_t)'),
    errorName: library.func('const char *ZSTD_getErrorName(size_t)'),
    contentSize: library.func('uint64_t ZSTD_getFrameContentSize(void *, size_t)'),
    createCompressor: library.func('void *ZSTD_createCCtx()'),
    freeCompressor: library.func(`size_t ZSTD_freeCCtx(${context})`),
    reset: library.func(`size_t ZSTD_CCtx_reset(${context}, int)`),
    /** Compressors that wait for more work. */
    spares: [] as unknown[],
    /** Frames are written to it before their length is known. */
    memory: new WorkMemory(spareMemoryBytes),
    set: library.func(`size_t ZSTD_CCtx_setParameter(${context}, int, int)`),
    refPrefix: library.func(`size_t ZSTD_CCtx_refPrefix(${context}, ${buffer})`),
    compress: library.func(`size_t ZSTD_compress2(${context}, ${buffer}, ${buffer})`),
    compressStep: library.func(`size_t ZSTD_compressStream2_simpleArgs(${context}, ${steps}, int)`),
    createDecompressor: library.func('void *ZSTD_createDCtx()'),
    freeDecompressor: library.func(`size_t ZSTD_freeDCtx(${context})`),
    resetDecoder: library.func(`size_t ZSTD_DCtx_reset(${context}, int)`),
    spareDecoders: [] as unknown[],
    /** Decoded on the calling thread since the event loop was left free last. */
    sinceTurn: { bytes: 0 },
    setDecoder: library.func(`size_t ZSTD_DCtx_setParameter(${context}, int, int)`),
    refDecoderPrefix: library.func(`size_t ZSTD_DCtx_refPrefix(${context}, ${buffer})`),
    decompress: library.func(`size_t ZSTD_decompressDCtx(${context}, ${buffer}, ${buffer})`),
    decompressStep: library.func(`size_t ZSTD_decompressStream_simpleArgs(${context}, ${steps})`),
  };
}

function codecOver(zstd: Zstd): ZstdCodec & ZstdPrefixCodec {
  return {
    compress: (bytes, level) => compressWhole(zstd, bytes, undefined, { level }),
    decompress: (frame, maxBytes) => decompressWhole(zstd, frame, undefined, { maxBytes }),
    compressStream: (chunks, level) => compressPieces(zstd, chunks, level),
    decompressStream: (chunks, maxBytes) => decompressPieces(zstd, chunks, maxBytes),
    compressWithPrefix: (bytes, prefix, options) => compressWhole(zstd, bytes, prefix, options),
    decompressWithPrefix: (frame, prefix, maxBytes, take) =>
      decompressWhole(zstd, frame, prefix, { maxBytes, take }),
  };
}

async function compressWhole(
  zstd: Zstd,
  bytes: Uint8Array,
  prefix: Uint8Array | undefined,
  options: Pick<PrefixOptions, 'level'> & Partial<PrefixOptions>,
): Promise<Uint8Array> {
  return zstd.memory.lend((take) => {
    const frame = take(Number(zstd.bound(bytes.length)));
    return compressInto(zstd, frame, bytes, prefix, options);
  });
}

async function compressInto(
  zstd: Zstd,
  frame: Uint8Array,
  bytes: Uint8Array,
  prefix: Uint8Array | undefined,
  options: Pick<PrefixOptions, 'level'> & Partial<PrefixOptions>,
): Promise<Uint8Array> {
  const context = zstd.spares.pop() ?? zstd.createCompressor();
  const workBytes = bytes.length + (prefix?.length ?? 0);
  try {
    check(zstd, zstd.set(context, parameter.level, options.level));
    if (prefix) {
      const windowLog = windowLogOver(prefix.length + bytes.length);
      check(zstd, zstd.set(context, parameter.windowLog, windowLog));
      check(zstd, zstd.set(context, parameter.longDistance, options.longDistance ? 1 : 0));
      check(zstd, zstd.refPrefix(context, prefix, prefix.length));
    }
    const args = [context, frame, frame.length, bytes, bytes.length];
    const written = check(zstd, await call(zstd.compress, args, workBytes, prefix));
    return frame.slice(0, written);
  } finally {
    release(zstd, context, workBytes);
  }
}

function release(zstd: Zstd, context: unknown, workBytes: number): void {
  const isSpare = workBytes <= spareWorkBytes && zstd.spares.length < mostSpares;
  if (isSpare && !zstd.isError(zstd.reset(context, resetAll))) zstd.spares.push(context);
  else zstd.freeCompressor(context);
}

async function decompressWhole(
  zstd: Zstd,
  frame: Uint8Array,
  prefix: Uint8Array | undefined,
  { maxBytes, take = newMemory }: { readonly maxBytes: number; readonly take?: TakeMemory },
): Promise<Uint8Array> {
  const size = contentSize(zstd, frame);
  if (size === undefined && !prefix) return join(decompressPieces(zstd, one(frame), maxBytes));
  if (size !== undefined && size > maxBytes) throw new OutputTooLarge(maxBytes);
  const bytes = take(size ?? maxBytes);
  const context = zstd.spareDecoders.pop() ?? zstd.createDecompressor();
  try {
    if (prefix) check(zstd, zstd.refDecoderPrefix(context, prefix, prefix.length));
    const args = [context, bytes, bytes.length, frame, frame.length];
    const written = await callInTurn(zstd, zstd.decompress, args, bytes.length, prefix);
    return bytes.subarray(0, checkFrame(zstd, written, maxBytes));
  } finally {
    const isSpare = zstd.spareDecoders.length < mostSpares;
    if (isSpare && !zstd.isError(zstd.resetDecoder(context, resetAll))) {
      zstd.spareDecoders.push(context);
    } else zstd.freeDecompressor(context);
  }
}

async function* compressPieces(
  zstd: Zstd,
  chunks: AsyncIterable<Uint8Array>,
  level: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const context = zstd.createCompressor();
  const out = newMemory(outputBytes);
  try {
    check(zstd, zstd.set(context, parameter.level, level));
    for await (const chunk of chunks) {
      const step = new StreamStep(chunk, out);
      while (!step.isConsumed) {
        const args = [...step.args(context), operation.continue];
        check(zstd, await call(zstd.compressStep, args, chunk.length));
        if (step.written > 0) yield step.output();
      }
    }
    const end = new StreamStep(new Uint8Array(0), out);
    for (let left = 1; left > 0; ) {
      left = check(zstd, zstd.compressStep(...end.args(context), operation.end));
      if (end.written > 0) yield end.output();
    }
  } finally {
    zstd.freeCompressor(context);
  }
}

async function* decompressPieces(
  zstd: Zstd,
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const context = zstd.createDecompressor();
  const out = newMemory(outputBytes);
  let total = 0;
  let sinceTurn = 0;
  /** What the decoder still wants; 0 at the end of a frame. */
  let wanted = 1;
  try {
    check(zstd, zstd.setDecoder(context, decoderWindowLogMax, streamWindowLog));
    for await (const chunk of chunks) {
      const step = new StreamStep(chunk, out);
      // A full output may leave more inside the decoder, unless the frame is over.
      while (!step.isConsumed || (step.isFull && wanted > 0)) {
        // A step takes a tenth of a millisecond; now and then the event loop is left free.
        const isTurn = sinceTurn >= turnBytes;
        const args = step.args(context);
        const result = isTurn
          ? await callOnThread(zstd.decompressStep, args)
          : zstd.decompressStep(...args);
        wanted = checkFrame(zstd, result, maxBytes);
        sinceTurn = isTurn ? 0 : sinceTurn + step.written;
        total += step.written;
        if (total > maxBytes) throw new OutputTooLarge(maxBytes);
        if (step.written > 0) yield step.outputForNow();
      }
    }
    if (wanted > 0) throw new CorruptFrame('the zstd frame ends too early');
  } finally {
    zstd.freeDecompressor(context);
  }
}

/** @param alive what the function uses besides its arguments */
async function call(
  native: NativeFunction,
  args: readonly unknown[],
  workBytes: number,
  alive?: unknown,
): Promise<number | bigint> {
  return workBytes < threadWorthBytes ? native(...args) : callOnThread(native, args, alive);
}

/** A thread costs more than decoding a small file; now and then the event loop is left free. */
async function callInTurn(
  { sinceTurn }: Zstd,
  native: NativeFunction,
  args: readonly unknown[],
  workBytes: number,
  alive?: unknown,
): Promise<number | bigint> {
  sinceTurn.bytes += workBytes;
  if (sinceTurn.bytes < turnBytes) return native(...args);
  sinceTurn.bytes = 0;
  return callOnThread(native, args, alive);
}

/** The result as a number. */
function check(zstd: Zstd, result: number | bigint): number {
  if (zstd.isError(result)) throw new Error(`zstd refuses: ${zstd.errorName(result)}`);
  return Number(result);
}

function checkFrame(zstd: Zstd, result: number | bigint, maxBytes: number): number {
  if (!zstd.isError(result)) return Number(result);
  const reason = String(zstd.errorName(result));
  if (reason.startsWith('Destination buffer is too small')) throw new OutputTooLarge(maxBytes);
  throw new CorruptFrame(`no sound zstd frame: ${reason}`);
}

/** What the frame says of itself; undefined if it says nothing. */
function contentSize(zstd: Zstd, frame: Uint8Array): number | undefined {
  const size = BigInt(zstd.contentSize(frame, frame.length));
  if (size === errorSize) throw new CorruptFrame('this is no zstd frame');
  return size === unknownSize ? undefined : Number(size);
}

/** The window that reaches over everything; larger than its frame where it may be. */
function windowLogOver(bytes: number): number {
  const log = Math.ceil(Math.log2(bytes + 1));
  return Math.min(largestWindowLog, Math.max(smallestWindowLog, log));
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

async function join(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece.slice());
  return Buffer.concat(all);
}
