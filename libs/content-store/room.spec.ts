import { expect, test } from '@jest/globals';
import { ContentStoreFull, requireRoom } from './room.js';

const gib = 1024 ** 3;

test.each([
  ['fits on the disk', { freeBytes: 2 * gib }, gib, false],
  ['is more than what is free', { freeBytes: gib }, gib, true],
  ['is nothing at all on a full disk', { freeBytes: 0 }, 0, false],
  ['fills the quota exactly', { quota: { usedBytes: gib, quotaBytes: 2 * gib } }, gib, false],
  ['is beyond the quota', { quota: { usedBytes: gib, quotaBytes: 2 * gib } }, gib + 1, true],
])('new content that %s', (_what, room, neededBytes, isRefused) => {
  const check = () => requireRoom(room, neededBytes);
  if (isRefused) expect(check).toThrow(ContentStoreFull);
  else expect(check).not.toThrow();
});
