import { type FileHandle, open } from 'node:fs/promises';
import { contentOfBlock, openBlock } from './block-cipher.js';
import {
  type AssignmentHead,
  blockBytes,
  blockRange,
  sealedStretch,
  verifyBlock,
} from './container.js';
import { AssignmentRefused } from './errors.js';
import { readExactly, readNow } from './file-bytes.js';

/** A run of bytes that can be read anywhere. */
export interface ByteSource {
  /** @throws AssignmentRefused `damaged` */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface BodyOptions {
  /** For a sealed body, see `dataKeyFor`. */
  readonly dataKey?: Uint8Array | undefined;
  /** Checks each block that is read against the signed hashes; sealed blocks prove themselves. */
  readonly verify?: boolean;
}

const chunkBytes = 262_144;
/** Read at once: the trip to another thread costs more. */
const fewBytes = 32_768;

/**
 * Commands and data of a container, decrypted, in bounded memory.
 * @throws AssignmentRefused `out-of-scope` for a sealed body without its key
 */
export async function openBody(
  path: string,
  head: AssignmentHead,
  { dataKey, verify = false }: BodyOptions = {},
): Promise<ByteSource> {
  const isSealed = head.header.encryption !== undefined;
  if (isSealed && !dataKey) {
    throw new AssignmentRefused('out-of-scope', 'the body is encrypted, and there is no key to it');
  }
  const file = await open(path);
  const close = () => file.close();
  const key = isSealed ? dataKey : undefined;
  if (key || verify) return { read: inBlocks(file, head, { dataKey: key, verify }), close };
  const { headBytes } = head.layout;
  const read = async (offset: number, length: number) =>
    length <= fewBytes
      ? readNow(file.fd, headBytes + offset, length)
      : readExactly(file, headBytes + offset, length);
  return { read, close };
}

/** Reads whole blocks and keeps the last one: the next read often begins in it. */
function inBlocks(file: FileHandle, head: AssignmentHead, { dataKey, verify }: BodyOptions) {
  const { part } = head.header;
  const sealed = sealedStretch(head.header);
  const grownBytes = sealed.storedBytes - sealed.contentBytes;
  let last: { index: number; content: Promise<Uint8Array> } | undefined;
  const load = async (index: number): Promise<Uint8Array> => {
    if (index >= head.layout.blockCount) throw damaged('a read goes beyond the end of the body');
    const { offset, length } = blockRange(head.layout, index);
    const stored = await readExactly(file, offset, length);
    if (verify && !verifyBlock(head, index, stored)) {
      throw damaged(`block ${index} is not the one that was signed`);
    }
    const sealedBytes = Math.min(length, sealed.storedBytes - index * blockBytes);
    if (!dataKey || sealedBytes <= 0) return stored;
    const opened = openBlock(dataKey, { part, index }, stored.subarray(0, sealedBytes));
    return sealedBytes < length ? Buffer.concat([opened, stored.subarray(sealedBytes)]) : opened;
  };
  const indexOf = (offset: number) =>
    offset < sealed.contentBytes
      ? Math.floor(offset / contentOfBlock(blockBytes))
      : Math.floor((offset + grownBytes) / blockBytes);
  const startOf = (index: number) =>
    index * blockBytes < sealed.storedBytes
      ? index * contentOfBlock(blockBytes)
      : index * blockBytes - grownBytes;
  return async (offset: number, length: number): Promise<Uint8Array> => {
    const result = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const index = indexOf(offset + done);
      if (last?.index !== index) last = { index, content: load(index) };
      const content = await last.content;
      const start = offset + done - startOf(index);
      const piece = content.subarray(start, start + length - done);
      if (piece.length === 0) throw damaged('a read goes beyond the end of the body');
      result.set(piece, done);
      done += piece.length;
    }
    return result;
  };
}

/** A window of a source. */
export function windowOf(source: ByteSource, start: number): ByteSource {
  return { ...source, read: (offset, length) => source.read(start + offset, length) };
}

export interface Stretch {
  readonly source: ByteSource;
  readonly length: number;
}

/** Sources one after the other. */
export function concatenated(stretches: readonly Stretch[]): ByteSource {
  return {
    async read(offset, length) {
      const result = new Uint8Array(length);
      let start = 0;
      let done = 0;
      for (const { source, length: size } of stretches) {
        const from = offset + done - start;
        const wanted = Math.min(length - done, size - from);
        if (wanted > 0 && from >= 0) {
          result.set(await source.read(from, wanted), done);
          done += wanted;
        }
        start += size;
      }
      if (done < length) throw damaged('a read goes beyond the end of the data');
      return result;
    },
    async close() {
      await Promise.all(stretches.map(({ source }) => source.close()));
    },
  };
}

/** The bytes from `from` to before `to`, in pieces. */
export async function* chunksOf(
  source: ByteSource,
  from: number,
  to: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = from; at < to; at += chunkBytes) {
    yield await source.read(at, Math.min(chunkBytes, to - at));
  }
}

const damaged = (message: string) => new AssignmentRefused('damaged', message);
