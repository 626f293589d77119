import { createHash } from 'node:crypto';
import { toBinary } from '@bufbuild/protobuf';
import { type Command, CommandSchema, Compression } from '#libs/contracts/index.js';
import { canCompressHere, compress, compressStream } from '#libs/native/zstd.js';
import { limits } from './container.js';
import type { DeltaLevel } from './encoding-policy.js';
import { AssignmentRefused } from './errors.js';
import { frameMessage } from './message-stream.js';

/** Less is not worth a frame. */
const worthCompressingBytes = 2048;
/** Up to this, commands may be packed as tightly as can be: it takes a tenth of a second. */
const fewCommandsBytes = 256 * 1024;
const pieceBytes = 64 * 1024;
/** zstd's levels, for few commands and for many. */
const levels: Record<DeltaLevel, { readonly few: number; readonly many: number }> = {
  fast: { few: 3, many: 3 },
  default: { few: 19, many: 9 },
  small: { few: 19, many: 12 },
};

/** The commands of a body, as they are stored. */
export interface CommandBuffer {
  /** In pieces. */
  readonly commands: readonly Uint8Array[];
  readonly commandsBytes: number;
  readonly commandsCompression: Compression;
  /** SHA-256 of the command buffer, as it is stored. */
  readonly commandsDigest: Uint8Array;
  readonly commandCount: number;
}

/**
 * Commands, in order, in buffers that fit; there is at least one. The commands themselves are let
 * go one by one.
 * @param room what one buffer may take
 * @throws AssignmentRefused `too-large`
 */
export async function commandBuffers(
  commands: Iterable<Command>,
  room: number,
  level: DeltaLevel,
): Promise<readonly CommandBuffer[]> {
  const frames = framesOf(commands);
  const maxBytes = Math.min(limits.commandsBytes, room);
  const buffers: CommandBuffer[] = [];
  let next = frames.next();
  do {
    const run = new Run(maxBytes, frames, next);
    buffers.push(await stored(run, level));
    next = run.next;
  } while (!next.done);
  return buffers;
}

/** @param commands as they are stored */
export function bufferOf(
  commands: readonly Uint8Array[],
  commandCount: number,
  commandsCompression: Compression,
): CommandBuffer {
  const hash = createHash('sha256');
  for (const piece of commands) hash.update(piece);
  const commandsDigest = hash.digest();
  const commandsBytes = lengthOf(commands);
  return { commands, commandsBytes, commandsCompression, commandsDigest, commandCount };
}

function* framesOf(commands: Iterable<Command>): Generator<Uint8Array, void, undefined> {
  for (const command of commands) yield frameMessage(toBinary(CommandSchema, command));
}

/** As many frames as fit one buffer. */
class Run {
  count = 0;
  bytes = 0;

  /** @param next the frame that comes next, before the run and after it */
  constructor(
    private readonly maxBytes: number,
    private readonly frames: Iterator<Uint8Array, void, undefined>,
    public next: IteratorResult<Uint8Array, void>,
  ) {}

  /** The frames, in pieces worth a call each. */
  *pieces(): Generator<Uint8Array, void, undefined> {
    let piece: Uint8Array[] = [];
    let length = 0;
    for (; !this.next.done; this.next = this.frames.next()) {
      const frame = this.next.value;
      if (frame.length > this.maxBytes) throw tooLarge('one command', frame.length);
      if (this.bytes + frame.length > this.maxBytes) break;
      this.bytes += frame.length;
      this.count++;
      piece.push(frame);
      length += frame.length;
      if (length < pieceBytes) continue;
      yield Buffer.concat(piece);
      piece = [];
      length = 0;
    }
    if (length > 0) yield Buffer.concat(piece);
  }
}

/** The commands of thousands of files are mostly paths, which compress well. */
async function stored(run: Run, level: DeltaLevel): Promise<CommandBuffer> {
  const pieces = run.pieces();
  const first: Uint8Array[] = [];
  const canCompress = canCompressHere();
  while (!canCompress || run.bytes <= fewCommandsBytes) {
    const { done, value } = pieces.next();
    if (done) return storedAtOnce(first, run.count, level);
    first.push(value);
  }
  const packed: Uint8Array[] = [];
  const source = concatenated(first, pieces);
  for await (const piece of compressStream(source, levels[level].many)) packed.push(piece);
  return bufferOf(packed, run.count, Compression.ZSTD);
}

async function storedAtOnce(
  pieces: readonly Uint8Array[],
  count: number,
  level: DeltaLevel,
): Promise<CommandBuffer> {
  const plainBytes = lengthOf(pieces);
  if (plainBytes >= worthCompressingBytes && canCompressHere()) {
    const frame = await compress(Buffer.concat(pieces), levels[level].few);
    if (frame.length < plainBytes) return bufferOf([frame], count, Compression.ZSTD);
  }
  return bufferOf(pieces, count, Compression.NONE);
}

async function* concatenated(first: Iterable<Uint8Array>, then: Iterable<Uint8Array>) {
  yield* first;
  yield* then;
}

function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}

export function tooLarge(what: string, bytes: number): AssignmentRefused {
  return new AssignmentRefused('too-large', `${bytes} bytes of ${what} do not fit one assignment`);
}
