import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type Command, Compression } from '#libs/contracts/index.js';
import { contentOfBlock, sealBlock, sealedLength } from './block-cipher.js';
import { bufferOf, type CommandBuffer, commandBuffers, tooLarge } from './command-buffer.js';
import { blockBytes, limits } from './container.js';
import type { DeltaLevel } from './encoding-policy.js';
import { leafHash } from './merkle.js';

/** A body that was measured: containers that differ in their headers only are quick to write. */
export interface Body extends CommandBuffer {
  readonly dataPath?: string;
  readonly dataBytes: number;
  /** The share of a job in parts that this body is. */
  readonly share: JobShare;
  /** What the body is sealed with; its leaves are of the sealed blocks. */
  readonly dataKey?: Uint8Array;
  /** The last bytes of its data, which travel in clear where the rest is sealed. */
  readonly clearBytes: number;
  readonly leaves: Uint8Array;
  /** As it stands in the container. */
  readonly bodyBytes: number;
}

/** Which part of a job a body is, and what the whole job has. */
export interface JobShare {
  readonly part: number;
  readonly parts: number;
  /** Where its data starts in the job's data file. */
  readonly dataOffset: number;
  readonly jobCommandCount: number;
  readonly jobDataBytes: number;
}

export interface MeasureOptions {
  /** Encrypts the body. */
  readonly dataKey?: Uint8Array;
  /** But not the last so many bytes of the data; 0 unless told. */
  readonly clearBytes?: number;
  /** The largest body of one container; what is more becomes further parts. */
  readonly maxBodyBytes?: number;
  /** How hard to work for fewer bytes of commands; `default` unless told. */
  readonly level?: DeltaLevel;
}

/** A body that is not shared out. @throws AssignmentRefused `too-large` */
export async function measureBody(
  commands: Iterable<Command>,
  dataPath?: string,
  options: MeasureOptions = {},
): Promise<Body> {
  const bodies = await measureJob(commands, dataPath, options);
  const [body] = bodies;
  if (body && bodies.length === 1) return body;
  const bytes = bodies.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0);
  throw tooLarge('commands and data', bytes);
}

/**
 * The bodies of a job: one, or as many parts as its size asks for.
 * @throws AssignmentRefused `too-large` for more parts than there may be
 */
export async function measureJob(
  commands: Iterable<Command>,
  dataPath?: string,
  options: MeasureOptions = {},
): Promise<readonly Body[]> {
  const { dataKey, clearBytes = 0, maxBodyBytes = limits.bodyBytes, level = 'default' } = options;
  const jobDataBytes = dataPath === undefined ? 0 : (await stat(dataPath)).size;
  const room = dataKey ? largestSealed(maxBodyBytes) : maxBodyBytes;
  const buffers = await commandBuffers(commands, room, level);
  const jobCommandCount = buffers.reduce((sum, { commandCount }) => sum + commandCount, 0);
  const source = {
    ...(dataPath === undefined ? {} : { dataPath }),
    ...(dataKey ? { dataKey } : {}),
  };
  return shared(buffers, source, { jobCommandCount, jobDataBytes, clearBytes }, room);
}

/**
 * The bodies that a job has whose body was measured whole and plain: itself where it fits and is
 * not to be sealed.
 * @throws AssignmentRefused `too-large`
 */
export async function bodiesOf(
  body: Body,
  { dataKey, maxBodyBytes = limits.bodyBytes }: MeasureOptions = {},
): Promise<readonly Body[]> {
  if (!dataKey && body.bodyBytes <= maxBodyBytes) return [body];
  const room = dataKey ? largestSealed(maxBodyBytes) : maxBodyBytes;
  const { dataPath, commandCount, dataBytes, clearBytes } = body;
  const source = {
    ...(dataPath === undefined ? {} : { dataPath }),
    ...(dataKey ? { dataKey } : {}),
  };
  const job = { jobCommandCount: commandCount, jobDataBytes: dataBytes, clearBytes };
  return shared([body], source, job, room);
}

/** What is kept of a plain body that was measured whole. */
export type KeptBody = Pick<
  Body,
  | 'commands'
  | 'commandCount'
  | 'commandsCompression'
  | 'dataBytes'
  | 'dataPath'
  | 'clearBytes'
  | 'leaves'
>;

/** The body again. */
export function restoredBody(kept: KeptBody): Body {
  const { commands, commandCount, commandsCompression, dataBytes } = kept;
  const buffer = bufferOf(commands, commandCount, commandsCompression);
  const job = { jobCommandCount: commandCount, jobDataBytes: dataBytes };
  const share = { part: 1, parts: 1, dataOffset: 0, ...job };
  return { ...kept, ...buffer, share, bodyBytes: buffer.commandsBytes + dataBytes };
}

interface WholeJob extends Pick<JobShare, 'jobCommandCount' | 'jobDataBytes'> {
  readonly clearBytes: number;
}

async function shared(
  buffers: readonly CommandBuffer[],
  source: Pick<Body, 'dataPath' | 'dataKey'>,
  { clearBytes: jobClearBytes, ...job }: WholeJob,
  room: number,
): Promise<readonly Body[]> {
  const shares = shareOut(buffers, job.jobDataBytes, room);
  if (shares.length > limits.parts) throw tooLarge('commands and data', job.jobDataBytes);
  const bodies: Body[] = [];
  for (const { buffer, dataOffset, dataBytes } of shares) {
    const { commands, commandsBytes, commandsCompression, commandsDigest, commandCount } = buffer;
    const facts = { commands, commandsBytes, commandsCompression, commandsDigest, commandCount };
    const share = { part: bodies.length + 1, parts: shares.length, dataOffset, ...job };
    const clearFrom = Math.max(dataOffset, job.jobDataBytes - jobClearBytes);
    const clearBytes = Math.max(0, dataOffset + dataBytes - clearFrom);
    bodies.push(await measured({ ...facts, ...source, dataBytes, clearBytes, share }));
  }
  return bodies;
}

/** The body as it stands in the container. */
export function bodyChunks(body: Unmeasured): AsyncIterable<Uint8Array> {
  return body.dataKey ? sealedChunks(body, body.dataKey) : plainChunks(body, body.dataBytes);
}

type Chunks = AsyncGenerator<Uint8Array, void, undefined>;
type Unmeasured = Omit<Body, 'leaves' | 'bodyBytes'>;

async function measured(body: Unmeasured): Promise<Body> {
  const leaves: Uint8Array[] = [];
  let bodyBytes = 0;
  for await (const block of blocksOf(bodyChunks(body), blockBytes)) {
    leaves.push(leafHash(block));
    bodyBytes += block.length;
  }
  return { ...body, leaves: Buffer.concat(leaves), bodyBytes };
}

/** Commands, and the body's data before `to`. */
async function* plainChunks(body: Unmeasured, to: number): Chunks {
  yield* body.commands;
  yield* dataChunks(body, 0, to);
}

async function* dataChunks({ dataPath, share }: Unmeasured, from: number, to: number): Chunks {
  if (dataPath === undefined || from === to) return;
  const range = { start: share.dataOffset + from, end: share.dataOffset + to - 1 };
  yield* createReadStream(dataPath, range) as AsyncIterable<Buffer>;
}

async function* sealedChunks(body: Unmeasured, key: Uint8Array): Chunks {
  const { dataBytes, clearBytes, share } = body;
  const plain = plainChunks(body, dataBytes - clearBytes);
  let index = 0;
  for await (const block of blocksOf(plain, contentOfBlock(blockBytes))) {
    yield sealBlock(key, { part: share.part, index: index++ }, block);
  }
  yield* dataChunks(body, dataBytes - clearBytes, dataBytes);
}

/** Cuts a stream into blocks; the last is what is left. A block is valid until the next. */
async function* blocksOf(
  chunks: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const block = Buffer.alloc(size);
  let filled = 0;
  for await (const bytes of chunks) {
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.subarray(at, at + size - filled);
      block.set(piece, filled);
      filled += piece.length;
      at += piece.length;
      if (filled < size) continue;
      yield block;
      filled = 0;
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}

interface Share {
  readonly buffer: CommandBuffer;
  readonly dataOffset: number;
  readonly dataBytes: number;
}

/** Commands first, in order; data fills the rest of each body. */
function shareOut(buffers: readonly CommandBuffer[], dataBytes: number, room: number): Share[] {
  const shares: Share[] = [];
  const none = bufferOf([], 0, Compression.NONE);
  for (let dataOffset = 0; shares.length < buffers.length || dataOffset < dataBytes; ) {
    const buffer = buffers[shares.length] ?? none;
    if (buffer.commandsBytes > room) throw tooLarge('commands', buffer.commandsBytes);
    const share = Math.min(room - buffer.commandsBytes, dataBytes - dataOffset);
    shares.push({ buffer, dataOffset, dataBytes: share });
    dataOffset += share;
    if (shares.length > limits.parts) break;
  }
  return shares;
}

/** The most content whose sealed form fits. */
function largestSealed(maxBodyBytes: number): number {
  const whole = Math.floor(maxBodyBytes / blockBytes) * contentOfBlock(blockBytes);
  const rest = (maxBodyBytes % blockBytes) - (blockBytes - contentOfBlock(blockBytes));
  const plain = whole + Math.max(0, rest);
  return sealedLength(plain, blockBytes) <= maxBodyBytes ? plain : whole;
}
