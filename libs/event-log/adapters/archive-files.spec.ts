import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { event } from '#libs/contracts/index.js';
import { type ArchivedEvent, withArchive } from '../archived-log.js';
import { type EventLog, noEvents } from '../event-log.js';
import { memoryLog } from '../memory-log.js';
import { ArchiveFiles, DamagedArchive } from './archive-files.js';

let directory: string;
let archive: ArchiveFiles;

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'archive-')), 'archive');
  archive = new ArchiveFiles(directory);
});
afterEach(() => rmSync(join(directory, '..'), { recursive: true }));

const archived = (...sequences: number[]): ArchivedEvent[] =>
  sequences.map((sequence) => ({ sequence, body: `{"is":"event ${sequence}"}` }));

async function sequencesOf(events: AsyncIterable<{ sequence: number }>): Promise<number[]> {
  const sequences: number[] = [];
  for await (const { sequence } of events) sequences.push(sequence);
  return sequences;
}

async function create(log: EventLog, site: string): Promise<void> {
  const context = { actor: 'test', correlationId: site, causationId: site };
  const created = event('SiteCreated', { site, staging: '/srv' });
  await log.append({ type: 'site', id: site }, noEvents, [created], context, 0);
}

describe('an archive', () => {
  test('is empty before anything is written, and knows its size afterwards', async () => {
    expect(await archive.lastSequence()).toBe(0);
    expect(await archive.sizes()).toEqual({ files: 0, bytes: 0, events: 0 });
    const { name, bytes } = await archive.write(archived(3, 5, 8));
    expect(name).toMatch(/^3-8-3-[0-9a-f]{32}\.events\.gz$/);
    expect(await archive.sizes()).toEqual({ files: 1, bytes, events: 3 });
    expect(await archive.lastSequence()).toBe(8);
  });

  test('gives the events of all its files in one order, each once, from a place on', async () => {
    await archive.write(archived(1, 4, 9));
    await archive.write(archived(2, 4, 5));
    expect(await sequencesOf(archive.events(0))).toEqual([1, 2, 4, 5, 9]);
    expect(await sequencesOf(archive.events(4))).toEqual([5, 9]);
  });

  test('leaves no half of a file for one, wherever the writing ended', async () => {
    await archive.write(archived(1, 2));
    writeFileSync(join(directory, 'new-1'), 'half');
    expect(await sequencesOf(archive.events(0))).toEqual([1, 2]);
  });

  test('names the file in which an event was changed', async () => {
    const { name } = await archive.write(archived(1, 2, 3));
    const path = join(directory, name);
    const text = gunzipSync(readFileSync(path)).toString();
    writeFileSync(path, gzipSync(text.replace('event 2', 'event 7')));
    await expect(sequencesOf(archive.events(0))).rejects.toThrow(DamagedArchive);
    await expect(sequencesOf(archive.events(0))).rejects.toThrow(name);
  });

  test('names the file that was cut off', async () => {
    const { name } = await archive.write(archived(1, 2, 3));
    const path = join(directory, name);
    writeFileSync(path, readFileSync(path).subarray(0, 20));
    await expect(sequencesOf(archive.events(0))).rejects.toThrow(name);
  });

  test('does not take a file for another one that it was renamed to', async () => {
    const { name } = await archive.write(archived(1, 2));
    const { name: other } = await archive.write(archived(3, 4));
    renameSync(join(directory, name), join(directory, other));
    expect(readdirSync(directory)).toEqual([other]);
    await expect(sequencesOf(archive.events(0))).rejects.toThrow(DamagedArchive);
  });
});

describe('a log with its archive', () => {
  /** Sites a to e, of which b and d were moved into the archive. */
  let log: EventLog;
  let whole: EventLog;

  beforeEach(async () => {
    const all = memoryLog();
    for (const site of ['a', 'b', 'c', 'd', 'e']) await create(all, site);
    const isMoved = (sequence: number) => sequence === 2 || sequence === 4;
    const moved: ArchivedEvent[] = [];
    for await (const { sequence, stored = '' } of all.replay({
      afterSequence: 0,
      withStored: true,
    })) {
      if (isMoved(sequence)) moved.push({ sequence, body: stored });
    }
    await archive.write(moved);
    log = {
      ...all,
      append: (...given) => all.append(...given),
      lastSequence: () => all.lastSequence(),
      subscribe: (filter) => all.subscribe(filter),
      read: async (...given) =>
        (await all.read(...given)).filter(({ sequence }) => !isMoved(sequence)),
      replay: async function* (filter) {
        for await (const found of all.replay(filter)) if (!isMoved(found.sequence)) yield found;
      },
    };
    whole = withArchive(log, archive);
  });

  test('is replayed as if nothing had been moved', async () => {
    expect(await sequencesOf(log.replay({ afterSequence: 0 }))).toEqual([1, 3, 5]);
    expect(await sequencesOf(whole.replay({ afterSequence: 0 }))).toEqual([1, 2, 3, 4, 5]);
    expect(await sequencesOf(whole.replay({ afterSequence: 2 }))).toEqual([3, 4, 5]);
  });

  test('gives an aggregate that was moved, and one that was not', async () => {
    expect(await whole.read({ type: 'site', id: 'd' })).toMatchObject([{ sequence: 4 }]);
    expect(await whole.read({ type: 'site', id: 'e' })).toMatchObject([{ sequence: 5 }]);
    expect(await whole.read({ type: 'site', id: 'd' }, 4)).toEqual([]);
  });

  test('is followed from the beginning of the archive to what comes', async () => {
    const subscription = whole.subscribe({ afterSequence: 0 });
    const seen: number[] = [];
    for await (const { sequence } of subscription) {
      seen.push(sequence);
      if (sequence === 5) await create(log, 'f');
      if (sequence === 6) break;
    }
    await subscription.close();
    expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
  });
});
