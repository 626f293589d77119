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
    if (bytesRead === 0) throw new AssignmentRefused('damaged', 'the container ends too early');
    filled += bytesRead;
  }
  return bytes;
}
