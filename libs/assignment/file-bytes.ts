import type { FileHandle } from 'node:fs/promises';
import { AssignmentRefused } from './errors.js';

/** @throws AssignmentRefused `damaged` when the file ends before */
export async function readExactly(
  file: FileHandle,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let filled = 0; filled < length; ) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled);
    if (bytesRead === 0) throw new AssignmentRefused('damaged', 'the container ends too early');
    filled += bytesRead;
  }
  return bytes;
}
