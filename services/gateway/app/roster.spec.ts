import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type DomainEvent, event } from '#libs/contracts/index.js';
import { type EventLog, noEvents } from '#libs/event-log/event-log.js';
import { memoryLog } from '#libs/event-log/memory-log.js';
import { Roster } from './roster.js';

const key = (byte: number) => new Uint8Array(44).fill(byte);
const enrolled = (node: string, byte: number, segment = 'paris') =>
  event('NodeEnrolled', {
    ...{ node, segment, publicKey: key(byte), controlAddress: `10.0.0.${byte}:7` },
  });
const removed = (node: string) => event('NodeRemoved', { node });

let log: EventLog;
let roster: Roster;

beforeEach(() => {
  log = memoryLog();
  roster = new Roster(log);
});
afterEach(() => roster.onModuleDestroy());

async function happen(...events: DomainEvent<'NodeEnrolled' | 'NodeRemoved'>[]): Promise<void> {
  for (const [index, happened] of events.entries()) {
    const aggregate = { type: 'node', id: happened.data.node } as const;
    const last = (await log.read(aggregate)).at(-1);
    const head = last ? { sequence: last.sequence, version: last.version } : noEvents;
    const context = { actor: 'test', correlationId: 'test', causationId: `cause ${index}` };
    await log.append(aggregate, head, [happened], context, index);
  }
}

test('a server is where it enrolled last', async () => {
  await happen(enrolled('a', 1), enrolled('b', 2), enrolled('a', 1, 'rome'));
  expect(await roster.segmentOf('a')).toBe('rome');
  expect([...(await roster.peersOf('paris'))]).toEqual([['b', '10.0.0.2:7']]);
});

test('a server that was removed has no key and no peers; where it was is known', async () => {
  await happen(enrolled('a', 1), enrolled('b', 2), removed('a'));
  expect(await roster.keyOf('a')).toBeUndefined();
  expect(await roster.segmentOf('a')).toBe('paris');
  expect(await roster.segmentOf('c')).toBeUndefined();
  expect([...(await roster.peersOf('paris')).keys()]).toEqual(['b']);
});

test('a key that was removed stays so when its name belongs to another', async () => {
  await happen(enrolled('a', 1), removed('a'), enrolled('a', 9));
  expect(await roster.keyOf('a')).toEqual(key(9));
  expect(await roster.isRemoved(key(1))).toBe(true);
  expect(await roster.isRemoved(key(9))).toBe(false);
});
