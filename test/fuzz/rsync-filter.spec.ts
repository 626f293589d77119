import { spawnSync } from 'node:child_process';
import { expect, test } from '@jest/globals';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import { compareWithRsync } from '../support/rsync-filter.js';

// `node dist/test/fuzz/rsync-filter.js` compares more of them.
const trees = 5;

if (spawnSync('rsync', ['--version']).error === undefined) {
  test('filters take of any tree, by any rules, what rsync takes', async () => {
    for (let seed = 1; seed <= trees; seed++) {
      const disagreements = await compareWithRsync(seededRandom(seed));
      expect({ seed, disagreements }).toEqual({ seed, disagreements: [] });
    }
  });
} else {
  test('filters are compared with rsync where it is installed', () => {
    expect(spawnSync('rsync').error).toBeDefined();
  });
}
