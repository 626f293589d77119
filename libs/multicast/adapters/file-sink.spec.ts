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
