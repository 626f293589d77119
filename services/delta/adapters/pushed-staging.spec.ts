import { create } from '@bufbuild/protobuf';
import { expect, test } from '@jest/globals';
import { memoryContentStore } from '#libs/content-store/adapters/memory-store.js';
import { PinBook } from '#libs/content-store/pin-book.js';
import { RunStartedSchema } from '#libs/contracts/index.js';
import { pushedPin, pushedStaging } from '#libs/delta/pushed.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { NothingPushed, PushedContentMissing, pushedOrLocal } from './pushed-staging.js';

const store = memoryContentStore();
const pins = new PinBook(store.shelf, new VirtualClock(1_000));
const local = { capture: () => Promise.reject(new Error('this host has no staging')) };
const staging = pushedOrLocal(store, pins, local);
const filters = [{ include: false, pattern: 'b' }];
const run = create(RunStartedSchema, { site: 'www', staging: pushedStaging, filters });

test('what was pushed is captured, through the filters of the site', async () => {
  await expect(staging.capture(run)).rejects.toThrow(NothingPushed);
  const entry = { type: 'file' as const, mode: 0o644, sizeBytes: 1, mtimeMs: 0 };
  const digest = await store.write(Buffer.from('x'));
  const tree = ['a', 'b'].map((path) => ({ ...entry, path, digest }));
  const pin = async () => ({ manifests: [await store.writeManifest(tree)], blobs: [] });
  await pins.pin(pushedPin('www'), await pin());
  expect((await staging.capture(run)).manifest).toMatchObject([{ path: 'a' }]);
  tree.push({ ...entry, path: 'c', digest: 'ab'.repeat(32) });
  await pins.pin(pushedPin('www'), await pin());
  await expect(staging.capture(run)).rejects.toThrow(PushedContentMissing);
  await expect(staging.capture({ ...run, staging: '/srv' })).rejects.toThrow('no staging');
});
