import { expect, test } from '@jest/globals';
import { memoryContentStore } from '#libs/content-store/adapters/memory-store.js';
import { PinBook } from '#libs/content-store/pin-book.js';
import { type DomainEvent, event, type RecordedEvent } from '#libs/contracts/index.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { ContentPins, keptTrees } from './content-pins.js';

const digest = (number: number) => new Uint8Array(32).fill(number);
const hex = (number: number) => Buffer.from(digest(number)).toString('hex');

function world() {
  const store = memoryContentStore();
  const book = new PinBook(store.shelf, new VirtualClock(1_000));
  const served = new Set<string>();
  const pins = new ContentPins(book, () => served);
  const names = async () => [...(await book.pins()).keys()].sort();
  const commit = (sequence: number) => {
    const trees = { treeDigest: digest(sequence), manifestDigest: digest(100 + sequence) };
    const committed = { runId: 'r', site: 'www', sequence: BigInt(sequence), ...trees };
    return pins.committed(recorded(event('CommitIssued', committed)));
  };
  return { book, served, pins, names, commit };
}

const recorded = <T extends DomainEvent['type']>(happened: DomainEvent<T>) =>
  happened as unknown as RecordedEvent<T>;

test('a tree stays when many went live after it, as long as a server serves it', async () => {
  const { served, commit, names } = world();
  served.add(hex(1));
  for (let sequence = 1; sequence <= keptTrees + 3; sequence++) await commit(sequence);
  expect(await names()).toHaveLength(keptTrees + 1);
  expect(await names()).toContain('trees/www/1');
  expect(await names()).not.toContain('trees/www/2');
  served.clear();
  await commit(keptTrees + 4);
  expect(await names()).toHaveLength(keptTrees);
  expect(await names()).not.toContain('trees/www/1');
});

test('a checkpoint stays until it is deleted', async () => {
  const { pins, commit, names, book } = world();
  const checkpoint = { site: 'www', checkpoint: 'before', manifestDigest: digest(101) };
  await pins.checkpointed(recorded(event('CheckpointCreated', checkpoint)));
  for (let sequence = 1; sequence <= keptTrees + 1; sequence++) await commit(sequence);
  expect((await book.find('checkpoints/www/before'))?.manifests).toEqual([hex(101)]);
  const deleted = { site: 'www', checkpoint: 'before' };
  await pins.checkpointDeleted(recorded(event('CheckpointDeleted', deleted)));
  expect(await names()).not.toContain('checkpoints/www/before');
});
