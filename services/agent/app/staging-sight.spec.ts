import { create } from '@bufbuild/protobuf';
import { expect, test } from '@jest/globals';
import { StagingLookSchema } from '#libs/contracts/index.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { StagingSight, type WatchTree } from './staging-sight.js';

function sight() {
  const clock = new VirtualClock();
  const watched = new Map<string, (fingerprint: string) => void>();
  const watch: WatchTree = (directory, quietMs, seen) => {
    const key = `${directory} ${quietMs}`;
    watched.set(key, seen);
    return () => watched.delete(key);
  };
  const directories = new Map([['www', '/srv/www']]);
  const seeing = new StagingSight(directories, watch, clock, () => {});
  const look = (site: string, quietMs = 300n) =>
    seeing.look(create(StagingLookSchema, { site, quietMs })).fingerprint;
  return { clock, watched, look, close: () => seeing.close() };
}

test('a tree is watched once for who asks, and what was seen last is told', () => {
  const { watched, look, close } = sight();
  expect(look('www')).toBe('');
  watched.get('/srv/www 300')?.('one');
  expect(look('www')).toBe('one');
  watched.get('/srv/www 300')?.('two');
  expect(look('www')).toBe('two');
  look('www', 5_000n);
  expect([...watched.keys()]).toEqual(['/srv/www 300', '/srv/www 5000']);
  close();
  expect(watched.size).toBe(0);
});

test('a tree that nobody asks for any more is not watched any more', () => {
  const { clock, watched, look } = sight();
  look('www');
  clock.advance(59_000);
  look('www');
  clock.advance(59_000);
  expect(watched.size).toBe(1);
  clock.advance(1_000);
  expect(watched.size).toBe(0);
  expect(look('www')).toBe('');
  expect(watched.size).toBe(1);
});

test('what is not staged here is not looked at', () => {
  const { watched, look } = sight();
  expect(look('etc')).toBe('');
  expect(watched.size).toBe(0);
});
