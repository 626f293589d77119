import { writeSync } from 'node:fs';
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
  return {
    held,
    verifyHead: options.verifyHead,
    verifyBlock: options.verifyBlock,
    readAt: (offset, length) => readFully(file, offset, length),
    // Copying a block into the page cache takes less time than handing it to another thread.
    writeAt(offset, bytes) {
      for (let written = 0; written < bytes.length; ) {
        const rest = bytes.length - written;
        written += writeSync(file.fd, bytes, written, rest, offset + written);
      }
    },
    async done() {
      await file.close();
      await options.done();
    },
    async stopped(reason) {
      await file.close();
      await options.stopped(reason);
    },
  };
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
    if (bytesRead === 0) throw new Error(`the spool file ends at ${offset + read}`);
    read += bytesRead;
  }
  return bytes;
}
