import { expect, test } from '@jest/globals';
import { memoryContentStore } from '#libs/content-store/adapters/memory-store.js';
import { PinBook } from '#libs/content-store/pin-book.js';
import { silentLogger } from '#libs/telemetry/logger.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { collectAtIntervals } from './collection.js';

const hourMs = 3_600_000;
const schedule = { everyMs: 6 * hourMs, graceMs: 24 * hourMs };

async function world() {
  const clock = new VirtualClock(1_000);
  const store = memoryContentStore(() => clock.nowMs());
  const kept = await store.write(Buffer.from('kept'));
  const lost = await store.write(Buffer.from('lost'));
  await new PinBook(store.shelf, clock).pin('p', { blobs: [kept], manifests: [] });
  return { clock, store, kept, lost };
}

test('content that nothing keeps goes at the next collection after its time', async () => {
  const { clock, store, kept, lost } = await world();
  const end = collectAtIntervals(store, schedule, clock, silentLogger);
  const passes = async (hours: number) => {
    for (let hour = 0; hour < hours; hour++) {
      clock.advance(hourMs);
      // The collection itself takes turns of the event loop.
      for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    }
  };
  await passes(23);
  expect(await store.has(lost)).toBe(true);
  await passes(8);
  expect(await store.has(lost)).toBe(false);
  expect(await store.has(kept)).toBe(true);
  await end();
});

test('nothing is collected by itself where that is turned off, or after the end', async () => {
  const { clock, store, lost } = await world();
  await collectAtIntervals(store, { ...schedule, everyMs: 0 }, clock, silentLogger)();
  await collectAtIntervals(store, schedule, clock, silentLogger)();
  clock.advance(100 * hourMs);
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
  expect(await store.has(lost)).toBe(true);
});
