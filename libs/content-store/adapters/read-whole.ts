import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** Smaller files are read by synchronous calls: several times as fast. */
const smallBytes = 128 * 1024;

/**
 * Fills `target` with a file of that length.
 * @returns the length of the file; when it is another, `target` has nothing of use
 */
export async function readWhole(path: string, target: Uint8Array): Promise<number> {
  if (target.length <= smallBytes) return readSmall(path, target);
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    return size === target.length ? await readLarge(file, target) : size;
  } finally {
    await file.close();
  }
}

function readSmall(path: string, target: Uint8Array): number {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    if (size !== target.length) return size;
    let filled = 0;
    for (let count = 1; filled < size && count > 0; filled += count) {
      count = readSync(file, target, filled, size - filled, filled);
    }
    return filled;
  } finally {
    closeSync(file);
  }
}

async function readLarge(file: FileHandle, target: Uint8Array): Promise<number> {
  let filled = 0;
  for (let count = 1; filled < target.length && count > 0; filled += count) {
    count = (await file.read(target, filled, target.length - filled, filled)).bytesRead;
  }
  return filled;
}
