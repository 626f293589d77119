import { readSync } from 'node:fs';

/** After so many bytes timers and sockets get their turn. */
const turnBytes = 512 * 1024;

/**
 * Reads a container that is sent, piece by piece, into memory that is used again. Who sends has
 * written or received it lately: to copy it from the page cache takes less time than to have
 * another thread do so.
 * @returns what `sendSession` reads by; it throws where the file is shorter than the container
 */
export function fileSource(
  fd: number,
): (offset: number, length: number) => Uint8Array | Promise<Uint8Array> {
  let memory = Buffer.alloc(0);
  let sinceTurn = 0;
  return (offset, length) => {
    if (memory.length < length) memory = Buffer.allocUnsafeSlow(length);
    for (let read = 0; read < length; ) {
      const count = readSync(fd, memory, read, length - read, offset + read);
      if (count === 0) throw new Error(`the container's file ends at ${offset + read}`);
      read += count;
    }
    const bytes = memory.subarray(0, length);
    sinceTurn += length;
    if (sinceTurn < turnBytes) return bytes;
    sinceTurn = 0;
    return new Promise((resolve) => setImmediate(() => resolve(bytes)));
  };
}
