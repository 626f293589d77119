import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { controlKeysIn } from './file-keys.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'espalier-keys-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('the keys of a segment as files', () => {
  test('begin with one that is in use, the same at every start', async () => {
    const [key, ...others] = await controlKeysIn(directory).segmentKeys('paris');
    expect(others).toEqual([]);
    expect(key).toMatchObject({ epoch: 1 });
    expect(key?.key).toHaveLength(32);
    expect(await controlKeysIn(directory).segmentKeys('paris')).toEqual([key]);
  });

  test('are rotated: the next one follows with its time, and is the same until then', async () => {
    const keys = controlKeysIn(directory);
    const [first] = await keys.segmentKeys('paris');
    const nowMs = 10 ** 13;
    const next = await keys.rotateSegmentKey('paris', nowMs, nowMs + 1_000);
    expect(next).toMatchObject({ epoch: 2, useFromMs: nowMs + 1_000 });
    expect(await keys.rotateSegmentKey('paris', nowMs, nowMs + 9_000)).toEqual(
      expect.objectContaining({ epoch: 2, useFromMs: nowMs + 1_000 }),
    );
    const later = await keys.rotateSegmentKey('paris', nowMs + 1_000, nowMs + 2_000);
    expect(later.epoch).toBe(3);
    const all = await controlKeysIn(directory).segmentKeys('paris');
    expect(all.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    expect(all[0]).toEqual(first);
  });

  test('of an earlier release, without a time, are read', async () => {
    await writeFile(join(directory, 'segment-paris.key'), `${'ab'.repeat(32)}\n`);
    const keys = await controlKeysIn(directory).segmentKeys('paris');
    expect(keys).toMatchObject([{ epoch: 1, useFromMs: 0 }]);
  });

  test('are readable by their owner only', async () => {
    await controlKeysIn(directory).segmentKeys('paris');
    const { mode } = await stat(join(directory, 'segment-paris.key'));
    expect(mode & 0o077).toBe(0);
  });
});
