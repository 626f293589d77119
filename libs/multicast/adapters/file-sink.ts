import { readSync, writeSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type ByteRange, blockBytes, type SessionSink, type StopReason } from '../session.js';

export interface FileSinkOptions {
  /** Made when missing; what it holds from before is verified and kept. */
  readonly path: string;
  readonly containerBytes: number;
  readonly headBytes: number;
  readonly verifyHead: (head: Uint8Array) => boolean | Promise<boolean>;
  readonly verifyBlock: (index: number, block: Uint8Array) => boolean | Promise<boolean>;
  /** The file is complete and closed, not synced: a damaged one is found out when opened. */
  readonly done: () => Promise<void>;
  /** The file is closed; it may be opened again to go on. */
  readonly stopped: (reason: StopReason) => Promise<void>;
}

/** A sink in one spool file that resumes by verifying what is there. */
export async function openFileSink(options: FileSinkOptions): Promise<SessionSink> {
  const file = await openOrMake(options.path);
  try {
    const held = await soundRanges(file, options);
    await file.truncate(options.containerBytes);
    return sinkOf(file, held, options);
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function openOrMake(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx+', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return open(path, 'r+');
  }
}

function sinkOf(
  file: FileHandle,
  held: readonly ByteRange[],
  options: FileSinkOptions,
): SessionSink {
  const gathered = new GatheredWrites(file.fd);
  let room = Buffer.alloc(0);
  return {
    held,
    verifyHead: options.verifyHead,
    verifyBlock: options.verifyBlock,
    // Copying to and from the page cache takes less time than handing it to another thread.
    readAt(offset, length) {
      gathered.flush();
      if (room.length < length) room = Buffer.allocUnsafeSlow(length);
      return readNow(file.fd, offset, room.subarray(0, length));
    },
    writeAt: (offset, bytes) => gathered.add(offset, bytes),
    async done() {
      await gathered.close(file);
      await options.done();
    },
    async stopped(reason) {
      // What a full disk refuses is missing in the file, and asked for when it is opened again.
      await gathered.close(file).catch(() => undefined);
      await options.stopped(reason);
    },
  };
}

const gatheredBytes = 512 * 1024;
const pageBytes = 4096;

/**
 * Blocks that follow each other are written together, in whole pages: blocks do not begin where
 * pages do, and half the processor time of writing them by themselves goes into the pages between.
 */
class GatheredWrites {
  private readonly memory = Buffer.allocUnsafeSlow(gatheredBytes);
  private offset = 0;
  private length = 0;

  constructor(private readonly fd: number) {}

  add(offset: number, bytes: Uint8Array): void {
    if (offset !== this.offset + this.length) this.flush();
    if (this.length === 0) this.offset = offset;
    for (let taken = 0; taken < bytes.length; ) {
      const part = bytes.subarray(taken, taken + gatheredBytes - this.length);
      this.memory.set(part, this.length);
      this.length += part.length;
      taken += part.length;
      if (this.length === gatheredBytes) this.write(this.wholePages());
    }
  }

  flush(): void {
    this.write(this.length);
  }

  async close(file: FileHandle): Promise<void> {
    try {
      this.flush();
    } finally {
      await file.close();
    }
  }

  private wholePages(): number {
    return this.length - ((this.offset + this.length) % pageBytes);
  }

  private write(count: number): void {
    for (let written = 0; written < count; ) {
      const at = this.offset + written;
      written += writeSync(this.fd, this.memory, written, count - written, at);
    }
    this.memory.copyWithin(0, count, this.length);
    this.offset += count;
    this.length -= count;
  }
}

/** Head and blocks of an earlier session that are sound, as few ranges as possible. */
async function soundRanges(file: FileHandle, options: FileSinkOptions): Promise<ByteRange[]> {
  const { containerBytes, headBytes, verifyHead, verifyBlock } = options;
  const { size } = await file.stat();
  if (size < headBytes) return [];
  if (!(await verifyHead(await readFully(file, 0, headBytes)))) return [];
  const ranges: { offset: number; length: number }[] = [{ offset: 0, length: headBytes }];
  for (let offset = headBytes; offset < Math.min(size, containerBytes); offset += blockBytes) {
    const length = Math.min(blockBytes, containerBytes - offset);
    if (offset + length > size) break;
    const block = await readFully(file, offset, length);
    if (!(await verifyBlock((offset - headBytes) / blockBytes, block))) continue;
    const last = ranges.at(-1);
    if (last && last.offset + last.length === offset) last.length += length;
    else ranges.push({ offset, length });
  }
  return ranges;
}

async function readFully(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(length);
  for (let read = 0; read < length; ) {
    const { bytesRead } = await file.read(bytes, read, length - read, offset + read);
    read += atLeastOne(bytesRead, offset + read);
  }
  return bytes;
}

function readNow(fd: number, offset: number, bytes: Buffer): Uint8Array {
  for (let read = 0; read < bytes.length; ) {
    const bytesRead = readSync(fd, bytes, read, bytes.length - read, offset + read);
    read += atLeastOne(bytesRead, offset + read);
  }
  return bytes;
}

function atLeastOne(bytesRead: number, at: number): number {
  if (bytesRead === 0) throw new Error(`the spool file ends at ${at}`);
  return bytesRead;
}
