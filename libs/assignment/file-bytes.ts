import { readSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { newMemory, type TakeMemory } from '#libs/native/work-memory.js';
import { AssignmentRefused } from './errors.js';

/** @throws AssignmentRefused `damaged` when the file ends before */
export async function readExactly(
  file: FileHandle,
  offset: number,
  length: number,
  take: TakeMemory = newMemory,
): Promise<Uint8Array> {
  const bytes = take(length);
  for (let filled = 0; filled < length; ) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled);
    if (bytesRead === 0) throw endsEarly();
    filled += bytesRead;
  }
  return bytes;
}

/** The same on the calling thread. @throws AssignmentRefused `damaged` */
export function readNow(fd: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let filled = 0; filled < length; ) {
    const count = readSync(fd, bytes, filled, length - filled, offset + filled);
    if (count === 0) throw endsEarly();
    filled += count;
  }
  return bytes;
}

const endsEarly = () => new AssignmentRefused('damaged', 'the container ends too early');
