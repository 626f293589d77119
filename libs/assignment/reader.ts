import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { fromBinary } from '@bufbuild/protobuf';
import { type Command, CommandSchema, Compression, type DataSlice } from '#libs/contracts/host.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';
import { decompress, decompressStream } from '#libs/native/zstd.js';
import { CorruptFrame, OutputTooLarge } from '#libs/native/zstd-codec.js';
import { type ByteSource, chunksOf, openBody, windowOf } from './body-source.js';
import {
  type AssignmentHead,
  blockRange,
  limits,
  openHead,
  parsePreamble,
  verifyBlock,
} from './container.js';
import { AssignmentRefused } from './errors.js';
import { readExactly, readNow } from './file-bytes.js';
import { splitMessages } from './message-stream.js';
import { SolidFrames } from './solid-frames.js';

/** The data file of a container, by slices. */
export interface AssignmentData {
  /**
   * A slice's content, decompressed.
   * @param maxBytes what the command declares; the content may not be longer
   * @throws AssignmentRefused `damaged` for a slice that is out of bounds or no zstd frame,
   *   `too-large` beyond `maxBytes`
   */
  read(slice: DataSlice, maxBytes: number): Promise<Uint8Array>;
  /** The same in pieces, in bounded memory; each is valid until the next is taken. */
  stream(slice: DataSlice, maxBytes: number): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** Enough for the head of a small assignment. */
const firstReadBytes = 16_384;

/**
 * Opens a whole container file: its length and its head. The body is not read; see `verifyBody`.
 * Synchronous calls, a few microseconds each: the file has just been written, or is read by a
 * thread that has nothing else to do.
 * @throws AssignmentRefused as `openHead`, `damaged` for a file that is too short or too long
 */
export async function openContainer(path: string, trust: TrustRoot): Promise<AssignmentHead> {
  const fd = openSync(path, 'r');
  try {
    const { size } = fstatSync(fd);
    const start = readNow(fd, 0, Math.min(size, firstReadBytes));
    const layout = parsePreamble(start);
    if (size !== layout.containerBytes) {
      throw damaged(`the container has ${size} bytes, not ${layout.containerBytes}`);
    }
    const { headBytes } = layout;
    const head =
      headBytes <= start.length ? start.subarray(0, headBytes) : readNow(fd, 0, headBytes);
    return openHead(head, trust);
  } finally {
    closeSync(fd);
  }
}

/**
 * Checks every block of the body against the signed hashes.
 * @throws AssignmentRefused `damaged`, naming the first bad block
 */
export async function verifyBody(path: string, head: AssignmentHead): Promise<void> {
  await withFile(path, async (file) => {
    for (let index = 0; index < head.layout.blockCount; index++) {
      const { offset, length } = blockRange(head.layout, index);
      if (!verifyBlock(head, index, await readExactly(file, offset, length))) {
        throw damaged(`block ${index} is not the one that was signed`);
      }
    }
  });
}

/**
 * All commands in order; digest and count are checked.
 * @param dataKey for a sealed body, see `dataKeyFor`
 * @throws AssignmentRefused `damaged`, `malformed`, `illegal-command` for one of no known kind
 */
export async function readCommands(
  path: string,
  head: AssignmentHead,
  dataKey?: Uint8Array,
): Promise<Command[]> {
  const commands: Command[] = [];
  for await (const command of streamCommands(path, head, dataKey)) commands.push(command);
  return commands;
}

/** As `readCommands`, one by one; the digest is checked before the first. */
export async function* streamCommands(
  path: string,
  head: AssignmentHead,
  dataKey?: Uint8Array,
): AsyncGenerator<Command, void, undefined> {
  const { header } = head;
  const end = Number(header.commandsBytes);
  const body = await openBody(path, head, { dataKey });
  try {
    const hash = createHash('sha256');
    for await (const chunk of chunksOf(body, 0, end)) hash.update(chunk);
    if (!hash.digest().equals(header.commandsDigest)) {
      throw damaged('the command buffer is not the one that was signed');
    }
    let count = 0n;
    const stored = chunksOf(body, 0, end);
    const compression = header.commandsCompression || Compression.NONE;
    const buffer = isCompressed({ compression })
      ? explainedStream(decompressStream(stored, limits.commandsBytes))
      : stored;
    for await (const message of splitMessages(buffer)) {
      count += 1n;
      yield decodeCommand(message, count);
    }
    if (count !== header.commandCount) {
      throw malformed(`there are ${count} commands, not ${header.commandCount}`);
    }
  } finally {
    await body.close();
  }
}

/** Opens the data file of a container; close it when done. */
export async function openData(
  path: string,
  head: AssignmentHead,
  dataKey?: Uint8Array,
): Promise<AssignmentData> {
  const body = await openBody(path, head, { dataKey });
  const { commandsBytes, dataBytes } = head.header;
  return dataIn(windowOf(body, Number(commandsBytes)), Number(dataBytes));
}

/** A data file that is `dataBytes` long. */
export function dataIn(source: ByteSource, dataBytes: number): AssignmentData {
  const readAlone = async (slice: DataSlice, maxBytes: number) => {
    const [from, to] = sliceBounds(slice, dataBytes);
    requireAtMost(to - from, isCompressed(slice) ? largestFrame(maxBytes) : maxBytes);
    const stored = await source.read(from, to - from);
    return isCompressed(slice) ? explained(() => decompress(stored, maxBytes)) : stored;
  };
  const solid = new SolidFrames(readAlone);
  const read = async (slice: DataSlice, maxBytes: number) =>
    slice.contentBytes > 0n ? solid.read(slice, maxBytes) : readAlone(slice, maxBytes);
  return {
    read,
    stream: async function* (slice, maxBytes) {
      if (slice.contentBytes > 0n) return yield await read(slice, maxBytes);
      const [from, to] = sliceBounds(slice, dataBytes);
      const stored = chunksOf(source, from, to);
      if (isCompressed(slice)) return yield* explainedStream(decompressStream(stored, maxBytes));
      requireAtMost(to - from, maxBytes);
      yield* stored;
    },
    close: () => source.close(),
  };
}

function sliceBounds(slice: DataSlice, dataBytes: number): [number, number] {
  if (slice.offset + slice.length > BigInt(dataBytes)) {
    throw damaged(`the slice ${slice.offset}+${slice.length} is outside of the data file`);
  }
  const from = Number(slice.offset);
  return [from, from + Number(slice.length)];
}

function isCompressed(slice: Pick<DataSlice, 'compression'>): boolean {
  switch (slice.compression) {
    case Compression.NONE:
      return false;
    case Compression.ZSTD:
      return true;
    default:
      throw malformed(`the compression ${slice.compression} is unknown`);
  }
}

function requireAtMost(bytes: number, maxBytes: number): void {
  if (bytes > maxBytes) throw new AssignmentRefused('too-large', beyond(maxBytes));
}

/** No compressor makes more of content: what is longer hides something. */
function largestFrame(contentBytes: number): number {
  return contentBytes + Math.ceil(contentBytes / 128) + 1024;
}

async function explained<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw explanation(error);
  }
}

async function* explainedStream(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* content;
  } catch (error) {
    throw explanation(error);
  }
}

/** What a failed decompression says about the container. */
function explanation(error: unknown): unknown {
  if (error instanceof OutputTooLarge) {
    return new AssignmentRefused('too-large', beyond(error.maxBytes), { cause: error });
  }
  if (error instanceof CorruptFrame) {
    return new AssignmentRefused('damaged', 'a slice of the data file does not decompress', {
      cause: error,
    });
  }
  return error;
}

function decodeCommand(message: Uint8Array, position: bigint): Command {
  let command: Command;
  try {
    command = fromBinary(CommandSchema, message);
  } catch (cause) {
    throw new AssignmentRefused('malformed', `command ${position} cannot be decoded`, { cause });
  }
  if (command.command.case === undefined) {
    throw new AssignmentRefused('illegal-command', `command ${position} is of no known kind`);
  }
  return command;
}

async function withFile<T>(path: string, action: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path);
  try {
    return await action(file);
  } finally {
    await file.close();
  }
}

const beyond = (maxBytes: number) => `a slice is longer than the declared ${maxBytes} bytes`;
const damaged = (message: string) => new AssignmentRefused('damaged', message);
const malformed = (message: string) => new AssignmentRefused('malformed', message);
