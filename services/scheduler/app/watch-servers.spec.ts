import { expect, test } from '@jest/globals';
import { stagedParts } from '#libs/delta/staged.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { type LookThere, watchServers } from './watch-servers.js';

const settled = () => new Promise(setImmediate);

/** A watch of a site on the servers a and b (all of it) and c (its videos). */
function watching(trees: Record<string, string | undefined>, takes = async () => {}) {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const told: string[] = [];
  const lookThere: LookThere = async (server, site, quietMs) => {
    asked.push(`${server} ${site} ${quietMs}`);
    return trees[server];
  };
  const parts = stagedParts('servers:a,b,c=video') ?? [];
  const changed = async (fingerprint: string) => {
    told.push(fingerprint);
    await takes();
  };
  const end = watchServers({ site: 'www', parts, quietMs: 300 }, lookThere, changed, clock);
  const look = async () => {
    clock.advance(2_000);
    await settled();
  };
  return { asked, told, look, end };
}

test('what all parts of a site look like together is told at every look', async () => {
  const trees: Record<string, string> = { a: 'one', c: 'film' };
  const { asked, told, look, end } = watching(trees);
  await settled();
  expect(asked.sort()).toEqual(['a www 300', 'c www 300']);
  await look();
  trees.c = 'other film';
  await look();
  trees.a = 'two';
  await look();
  const [first, again, second, third] = told;
  expect(again).toBe(first);
  expect(new Set([first, second, third]).size).toBe(3);
  end();
  await look();
  expect(told).toHaveLength(4);
});

test('a server that is away is stood in for; a part that is away says nothing', async () => {
  const trees: Record<string, string | undefined> = { b: 'one', c: 'film' };
  const { asked, told, look, end } = watching(trees);
  await settled();
  expect(asked).toContain('b www 300');
  expect(told).toHaveLength(1);
  trees.c = undefined;
  await look();
  expect(told).toHaveLength(1);
  trees.c = 'film';
  await look();
  expect(told).toEqual([told[0], told[0]]);
  end();
});

test('what could not be told is told again', async () => {
  let failures = 1;
  const takes = async () => {
    if (failures-- > 0) throw new Error('the log is away');
  };
  const { told, look, end } = watching({ a: 'one', c: 'film' }, takes);
  await settled();
  await look();
  expect(told).toHaveLength(2);
  end();
});
