import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { blockBytes } from '../session.js';
import { openFileSink } from './file-sink.js';

const headBytes = 500;
const container = randomBytes(headBytes + 3 * blockBytes + 77);
let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sink-'));
});

afterEach(() => rm(directory, { recursive: true }));

function openSink(path: string, ended: string[] = []) {
  const isSound = (offset: number, part: Uint8Array) =>
    container.subarray(offset, offset + part.length).equals(part);
  return openFileSink({
    path,
    containerBytes: container.length,
    headBytes,
    verifyHead: (head) => isSound(0, head),
    verifyBlock: (index, block) => isSound(headBytes + index * blockBytes, block),
    done: async () => void ended.push('done'),
    stopped: async (reason) => void ended.push(reason),
  });
}

test('a new file holds nothing and takes everything', async () => {
  const path = join(directory, 'spool');
  const ended: string[] = [];
  const sink = await openSink(path, ended);
  expect(sink.held).toEqual([]);
  await sink.writeAt(headBytes, container.subarray(headBytes));
  await sink.writeAt(0, container.subarray(0, headBytes));
  await sink.done();
  expect(ended).toEqual(['done']);
  expect((await readFile(path)).equals(container)).toBe(true);
});

test('what is written in any order and sizes is read back, and is there in the end', async () => {
  const path = join(directory, 'spool');
  const bytes = randomBytes(headBytes + 40 * blockBytes + 4_321);
  const truth = async () => true;
  const none = async () => undefined;
  const verdicts = { verifyHead: truth, verifyBlock: truth, done: none, stopped: none };
  const sink = await openFileSink({ path, containerBytes: bytes.length, headBytes, ...verdicts });
  const write = (from: number, end: number) => sink.writeAt(from, bytes.subarray(from, end));
  const borders = [
    0,
    headBytes,
    ...Array.from({ length: 41 }, (_, n) => headBytes + n * blockBytes),
  ];
  const pieces = borders.slice(1).map((end, n): [number, number] => [borders[n] ?? 0, end]);
  // Runs longer and shorter than what is gathered, backwards, one by itself, one at once.
  for (const [from, end] of [...pieces.slice(20), ...pieces.slice(5, 19).reverse()]) {
    await write(from, end);
  }
  const [from = 0, end = 0] = pieces[30] ?? [];
  expect(Buffer.from(await sink.readAt(from, end - from)).equals(bytes.subarray(from, end))).toBe(
    true,
  );
  await write(0, borders[6] ?? 0);
  await write(borders[19] ?? 0, borders[21] ?? 0);
  await write(borders.at(-1) ?? 0, bytes.length);
  await sink.done();
  expect((await readFile(path)).equals(bytes)).toBe(true);
});

test('a file from before holds its sound head and blocks', async () => {
  const path = join(directory, 'spool');
  const damaged = Buffer.from(container);
  damaged[headBytes + blockBytes] = (damaged[headBytes + blockBytes] ?? 0) ^ 1;
  await writeFile(path, damaged.subarray(0, headBytes + 3 * blockBytes + 5));
  const sink = await openSink(path);
  expect(sink.held).toEqual([
    { offset: 0, length: headBytes + blockBytes },
    { offset: headBytes + 2 * blockBytes, length: blockBytes },
  ]);
  await sink.stopped('closed');
});

test('a file with a bad head holds nothing', async () => {
  const path = join(directory, 'spool');
  await writeFile(path, Buffer.concat([Buffer.alloc(headBytes), container.subarray(headBytes)]));
  const sink = await openSink(path);
  expect(sink.held).toEqual([]);
  await sink.stopped('closed');
});
