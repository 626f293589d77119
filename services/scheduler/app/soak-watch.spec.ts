import { beforeEach, describe, expect, test } from '@jest/globals';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { SoakWatch, soakLookEveryMs } from './soak-watch.js';

const runId = 'rollout-1';
const nodes = new Set(['a', 'b']);
const leaders = new Map([['paris', 'a']]);
let clock: VirtualClock;
let present: Set<string>;
let asked: ReadonlyMap<string, string>[];
let watch: SoakWatch;

beforeEach(() => {
  clock = new VirtualClock();
  present = new Set(nodes);
  asked = [];
  const reachable = async (of: ReadonlyMap<string, string>) => {
    asked.push(of);
    return new Set(present);
  };
  watch = new SoakWatch({ reachable }, clock);
});

const look = () => watch.look(runId, nodes, leaders);

async function nextLook() {
  clock.advance(soakLookEveryMs);
  return look();
}

describe('the watch of a soaking wave', () => {
  test('asks the leaders at once, and then now and then', async () => {
    expect(await look()).toEqual({ unheard: new Set(), silent: new Set() });
    await look();
    expect(asked).toEqual([leaders]);
    await nextLook();
    expect(asked).toHaveLength(2);
  });

  test('counts a server as silent after it was missing four times in a row', async () => {
    await look();
    present.delete('b');
    for (let missed = 1; missed <= 3; missed++) {
      expect(await nextLook()).toEqual({ unheard: new Set(['b']), silent: new Set() });
    }
    expect(await nextLook()).toEqual({ unheard: new Set(), silent: new Set(['b']) });
  });

  test('forgets what was missed when a server is heard of again', async () => {
    await look();
    present.delete('b');
    for (let missed = 1; missed <= 3; missed++) await nextLook();
    present.add('b');
    expect(await nextLook()).toEqual({ unheard: new Set(), silent: new Set() });
    present.delete('b');
    expect((await nextLook()).silent).toEqual(new Set());
  });

  test('counts looks and not time: nobody falls silent while nobody looks', async () => {
    await look();
    present.delete('b');
    clock.advance(60 * soakLookEveryMs);
    expect(await look()).toEqual({ unheard: new Set(['b']), silent: new Set() });
  });

  test('begins anew with the next wave', async () => {
    await look();
    watch.end(runId);
    await look();
    expect(asked).toHaveLength(2);
  });
});
