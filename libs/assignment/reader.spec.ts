import { createHash } from 'node:crypto';
import { mkdtemp, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  type Command,
  CommandSchema,
  Compression,
  DataSliceSchema,
  JobType,
} from '#libs/contracts/index.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { compress } from '#libs/native/zstd.js';
import type { AssignmentHead } from './container.js';
import { type AssignmentData, openContainer, openData, readCommands } from './reader.js';
import { writeAssignment } from './writer.js';

const key = signingKeyFromPem(generatePrivateKeyPem());
const content = Buffer.from('espalier '.repeat(100_000));
const bodyless = { assignmentId: 'www-1', site: 'www', type: JobType.PUBLISH, part: 1, parts: 1 };

let directory: string;
let path: string;
let head: AssignmentHead;
let frameBytes: number;
let data: AssignmentData;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'espalier-reader-'));
  const frame = await compress(content, 3);
  frameBytes = frame.length;
  ({ path, head } = await written([], [content, frame]));
  data = await openData(path, head);
});
afterAll(async () => {
  await data.close();
  await rm(directory, { recursive: true });
});

let files = 0;
async function written(commands: Command[], bytes: Uint8Array[]) {
  const path = join(directory, `container-${files++}`);
  await writeAssignment({ path, header: bodyless, commands, data: bytes, keys: [key] });
  return { path, head: await openContainer(path, { keys: [key.publicKey], threshold: 1 }) };
}

const slice = (init: MessageInitShape<typeof DataSliceSchema>) => create(DataSliceSchema, init);
const plain = () =>
  slice({ offset: 0n, length: BigInt(content.length), compression: Compression.NONE });
const packed = () =>
  slice({
    offset: BigInt(content.length),
    length: BigInt(frameBytes),
    compression: Compression.ZSTD,
  });

async function streamed(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece.slice());
  return Buffer.concat(all);
}

describe('the data of a container', () => {
  test.each([1, 32_768, 32_769, 400_000])('is read at any place: %s bytes', async (length) => {
    for (const offset of [0, 7, content.length - length]) {
      const part = slice({ offset: BigInt(offset), length: BigInt(length) });
      part.compression = Compression.NONE;
      const bytes = await data.read(part, length);
      expect(content.subarray(offset, offset + length).equals(bytes)).toBe(true);
    }
  });

  test.each([100, 400_000])('is refused when the file was cut off: %s bytes', async (length) => {
    const { path, head } = await written([], [content]);
    const cut = await openData(path, head);
    await truncate(path, head.layout.headBytes + 50);
    const part = slice({ length: BigInt(length), compression: Compression.NONE });
    await expect(cut.read(part, length)).rejects.toMatchObject({ reason: 'damaged' });
    await cut.close();
  });

  test.each([
    ['plain', plain],
    ['compressed', packed],
  ])('is read in whole and in pieces: %s', async (_, of) => {
    const whole = await data.read(of(), content.length);
    expect(Buffer.compare(whole, content)).toBe(0);
    expect(Buffer.compare(await streamed(data.stream(of(), content.length)), content)).toBe(0);
  });

  test.each([
    ['plain', plain],
    ['compressed', packed],
  ])('is refused when it is longer than declared: %s', async (_, of) => {
    const reason = 'too-large';
    const short = content.length - 1;
    await expect(data.read(of(), short)).rejects.toMatchObject({ reason });
    await expect(streamed(data.stream(of(), short))).rejects.toMatchObject({ reason });
  });

  test('is refused outside of its bounds, and as what it is not', async () => {
    const wrong = [
      { offset: BigInt(content.length + frameBytes), length: 1n, compression: Compression.NONE },
      { offset: 2n ** 64n - 1n, length: 2n, compression: Compression.NONE },
      { offset: 0n, length: 2n ** 63n, compression: Compression.ZSTD },
      { offset: 0n, length: 100n, compression: Compression.ZSTD },
      { offset: BigInt(content.length), length: 10n, compression: Compression.ZSTD },
      { offset: 0n, length: 1n, compression: 9 as Compression },
    ];
    for (const init of wrong) {
      const refused = { name: 'AssignmentRefused' };
      await expect(data.read(slice(init), 10_000_000)).rejects.toMatchObject(refused);
      const stream = data.stream(slice(init), 10_000_000);
      await expect(streamed(stream)).rejects.toMatchObject(refused);
    }
  });
});

describe('a solid frame', () => {
  const share = (contentOffset: bigint, contentBytes: bigint) =>
    slice({ ...packed(), contentOffset, contentBytes });

  test('gives each file its part', async () => {
    const part = share(5n, BigInt(content.length));
    expect(Buffer.compare(await data.read(part, 10), content.subarray(5, 15))).toBe(0);
  });

  test('is refused when it holds more than it says, or more than a reader keeps', async () => {
    const reason = 'too-large';
    const short = share(0n, BigInt(content.length - 1));
    const huge = share(0n, 8n * 1024n ** 2n + 1n);
    // Frames are kept: each is asked of a reader of its own.
    for (const bomb of [short, huge]) {
      const fresh = await openData(path, head);
      await expect(fresh.read(bomb, 10)).rejects.toMatchObject({ reason });
      await fresh.close();
    }
  });

  test('is refused when a part is outside of it', async () => {
    const end = BigInt(content.length);
    for (const part of [share(end - 9n, end), share(end, end), share(2n ** 63n, end)]) {
      await expect(data.read(part, 10)).rejects.toMatchObject({ reason: 'damaged' });
    }
  });
});

describe('the commands of a container', () => {
  test('are refused when one is of no known kind', async () => {
    const { path, head } = await written([create(CommandSchema, {})], []);
    await expect(readCommands(path, head)).rejects.toMatchObject({ reason: 'illegal-command' });
  });

  test('are refused when there are more or fewer than was signed', async () => {
    const remove = create(CommandSchema, { command: { case: 'deleteFile', value: { path: 'a' } } });
    const { path, head } = await written([remove, remove], []);
    expect(await readCommands(path, head)).toEqual([remove, remove]);
    for (const commandCount of [1n, 3n]) {
      const other = { ...head, header: { ...head.header, commandCount } };
      await expect(readCommands(path, other)).rejects.toMatchObject({ reason: 'malformed' });
    }
  });

  test('are refused when they are not those that were signed', async () => {
    const commandsDigest = createHash('sha256').update('others').digest();
    const other = { ...head, header: { ...head.header, commandsDigest } };
    await expect(readCommands(path, other)).rejects.toMatchObject({ reason: 'damaged' });
  });
});
