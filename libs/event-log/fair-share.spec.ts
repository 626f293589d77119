import { describe, expect, it } from '@jest/globals';
import { allPartitions, fairShare } from './fair-share.js';

describe('the fair share of partitions', () => {
  it.each([1, 2, 3, 7, 64])('gives each partition to exactly one of %d replicas', (count) => {
    const replicas = Array.from({ length: count }, (_, index) => `replica-${index}`);
    const shares = replicas.map((replica) => fairShare(replica, replicas));
    expect(shares.flat().sort((a, b) => a - b)).toEqual(allPartitions);
    const sizes = shares.map((share) => share.length);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
  });

  it('is the same in whatever order the replicas are known', () => {
    expect(fairShare('b', ['c', 'a', 'b'])).toEqual(fairShare('b', ['a', 'b', 'c']));
  });
});
