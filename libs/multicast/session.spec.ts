import { describe, expect, test } from '@jest/globals';
import { readDataFrame } from './data-frame.js';
import { blockBytes, type SessionOutcome } from './session.js';
import { clean, frameBytes, headBytes, run, type World, worldOf } from './session-world.js';

/** What repair by the original frames sends again: the sum over k of 1 - (1 - p^k)^N. */
function nackBound(lossShare: number, members: number): number {
  let sum = 0;
  for (let k = 1; k < 40; k++) sum += 1 - (1 - lossShare ** k) ** members;
  return sum;
}

async function expectAllComplete(world: World): Promise<SessionOutcome> {
  const outcome = await run(world.clock, world.send());
  expect([...outcome.complete].sort()).toEqual(world.members.map(({ node }) => node).sort());
  expect(outcome.unicast).toEqual([]);
  for (const member of world.members) expect(member.bytes.equals(world.container)).toBe(true);
  return outcome;
}

describe('a session on a sound network', () => {
  test('sends every byte once and is over in a few milliseconds', async () => {
    const outcome = await expectAllComplete(worldOf(3, 4_096, clean, 1));
    expect(outcome).toMatchObject({ multicastBytes: 4_096, repairBytes: 0, passes: 1 });
    expect(outcome.durationMs).toBeLessThan(15);
  });

  test('sends nothing to members that have the container', async () => {
    const world = worldOf(3, 200_000, clean, 2);
    for (const member of world.members) member.decision = 'have';
    const outcome = await run(world.clock, world.send());
    expect(outcome).toMatchObject({ multicastBytes: 0, passes: 0 });
    expect(outcome.complete).toHaveLength(3);
  });

  test('leaves half of its own link at most to what others pull from the leader', async () => {
    const bytes = 4_000_000;
    const bytesPerS = 2_000_000;
    const durationWith = async (servedBytesPerS: number) => {
      const world = worldOf(1, bytes, clean, 4);
      const ownLink = { bytesPerS, servedBytesPerS: () => servedBytesPerS };
      const { durationMs, complete } = await run(world.clock, world.send({ ownLink }));
      expect(complete).toHaveLength(1);
      return durationMs / ((1_000 * bytes) / bytesPerS);
    };
    expect(await durationWith(0)).toBeGreaterThan(0.95);
    const [half, most] = [await durationWith(1_000_000), await durationWith(50_000_000)];
    expect(half).toBeGreaterThan(1.9);
    expect(most).toBeGreaterThan(1.9);
    expect(most).toBeLessThan(2.2);
  });

  test('is over at once without participants', async () => {
    const outcome = await run(
      worldOf(0, 4_096, clean, 3).clock,
      worldOf(0, 4_096, clean, 3).send(),
    );
    expect(outcome).toMatchObject({ complete: [], unicast: [], multicastBytes: 0 });
  });
});

describe('a session on a lossy network', () => {
  test.each([
    [3, 0.01, 10],
    [3, 0.3, 11],
    [10, 0.1, 12],
    [20, 0.2, 13],
    [50, 0.02, 14],
    [50, 0.3, 15],
  ])(
    'reaches %i members that lose %f of all datagrams (seed %i)',
    async (count, lossShare, seed) => {
      const faults = { lossShare, duplicateShare: 0.05, maxDelayMs: 3 };
      const world = worldOf(count, 150_000, faults, seed);
      const outcome = await expectAllComplete(world);
      expect(outcome.multicastBytes).toBe(150_000);
      // Two frames more for each batch where few are needed: they save a pass.
      const most = 1.3 * 150_000 * nackBound(lossShare, count) + 2 * frameBytes;
      expect(outcome.repairBytes).toBeLessThan(most);
      const reports = [...world.network.reportsByPass.values()];
      expect(Math.max(...reports)).toBeLessThanOrEqual(12);
    },
  );

  test.each([3, 8, 40])(
    'reaches 20 members that lose frames in runs of %i',
    async (burstFrames) => {
      const faults = { ...clean, lossShare: 0.05, burstFrames };
      const outcome = await expectAllComplete(worldOf(20, 1_000_000, faults, 40 + burstFrames));
      expect(outcome.passes).toBeLessThanOrEqual(6);
    },
  );

  test('spreads the answers of a large segment', async () => {
    const world = worldOf(50, 20_000, clean, 16);
    const arrivals: number[] = [];
    const outcome = world.send({ onAnnouncement: () => undefined });
    const before = world.network.reportsByPass.size;
    for (let turn = 0; turn < 80; turn++) {
      await new Promise(setImmediate);
      world.clock.advance(1);
      arrivals.push(world.network.reportsByPass.size);
    }
    await run(world.clock, outcome);
    const perMs = arrivals.map((count, index) => count - (arrivals[index - 1] ?? before));
    expect(Math.max(...perMs)).toBeLessThan(10);
  });
});

describe('members in trouble', () => {
  test('a dead member is left to unicast, the others are not held up for long', async () => {
    const world = worldOf(4, 50_000, clean, 20);
    world.network.dead.add('m1');
    const outcome = await run(world.clock, world.send());
    expect(outcome.unicast).toEqual(['m1']);
    expect([...outcome.complete].sort()).toEqual(['m0', 'm2', 'm3']);
    expect(outcome.durationMs).toBeLessThan(4_000);
  });

  test('a member that hears no data asks for unicast and costs a few short probes', async () => {
    const world = worldOf(3, 400_000, clean, 21);
    world.network.cutOff.add('m2');
    const outcome = await run(world.clock, world.send());
    expect(outcome.unicast).toEqual(['m2']);
    expect(outcome.repairBytes).toBeLessThanOrEqual(3 * 92 * 1_400);
    expect(world.members[2]?.stopReason).toBe('unicast');
  });

  test('a member that is slow to join the group is not taken for cut off', async () => {
    const world = worldOf(3, 4_096, clean, 29);
    world.network.cutOff.add('m2');
    world.clock.schedule(30, () => world.network.cutOff.delete('m2'));
    await expectAllComplete(world);
  });

  test('the first pass waits for a member that needs time to join the group', async () => {
    const world = worldOf(3, 400_000, clean, 33);
    world.network.joiningMs.set('m2', 30);
    const outcome = await expectAllComplete(world);
    expect(outcome).toMatchObject({ passes: 1, repairBytes: 0 });
  });

  test('who comes after the first pass has begun gets the head, then the rest', async () => {
    const world = worldOf(3, 10_000_000, clean, 34);
    world.network.joiningMs.set('m2', 120);
    const outcome = await expectAllComplete(world);
    expect(outcome.passes).toBe(2);
    expect(outcome.repairBytes).toBeLessThan(6_000_000);
  });

  test('a leader that stands still in a pass does not send the rest of it twice', async () => {
    const world = worldOf(3, 2_000_000, { ...clean, lossShare: 0.01 }, 35);
    let reads = 0;
    const read = async (offset: number, length: number) => {
      // Longer than members wait until they tell what they lack.
      if (++reads === 3) await new Promise<void>((go) => world.clock.schedule(1_500, go));
      return world.container.subarray(offset, offset + length);
    };
    const rates: number[] = [];
    const onAnnouncement = ({ rateBytesPerS }: { rateBytesPerS: bigint }) =>
      void rates.push(Number(rateBytesPerS));
    const outcome = await run(world.clock, world.send({ read, onAnnouncement }));
    expect(world.members.every(({ isDone, isEqual }) => isDone && isEqual)).toBe(true);
    expect(outcome.repairBytes).toBeLessThan(0.1 * 2_000_000);
    expect(Math.min(...rates)).toBeGreaterThan(20e6);
  });

  test('a quorum ends the session without a member that is too slow', async () => {
    const world = worldOf(4, 50_000, clean, 31);
    world.network.dead.add('m1');
    const outcome = await run(world.clock, world.send({ quorum: 3 }));
    expect(outcome.unicast).toEqual(['m1']);
    expect(outcome.durationMs).toBeLessThan(200);
  });

  test('a member that loses far more than the others is left to unicast', async () => {
    const world = worldOf(5, 800_000, { ...clean, lossShare: 0.02 }, 32);
    let at = 0;
    world.network.tamper = (node, payload) => (node === 'm1' && at++ % 2 ? undefined : payload);
    const outcome = await run(world.clock, world.send());
    expect(outcome.unicast).toEqual(['m1']);
    expect(outcome.repairBytes).toBeLessThan(800_000 * 0.2);
  });

  test('a second leader with the same container costs bandwidth only', async () => {
    const world = worldOf(4, 200_000, { ...clean, lossShare: 0.05 }, 30);
    const half = world.members.slice(0, 2).map(({ participant }) => participant);
    const other = world.members.slice(2).map(({ participant }) => participant);
    const both = Promise.all([
      world.send({ participants: half }),
      world.send({ ...world.network.join('leader2'), participants: other }),
    ]);
    const outcomes = await run(world.clock, both);
    expect(outcomes.flatMap(({ unicast }) => unicast)).toEqual([]);
    for (const member of world.members) expect(member.bytes.equals(world.container)).toBe(true);
  });

  test('a member that gets nowhere is left to unicast after ten passes', async () => {
    const world = worldOf(2, 20_000, clean, 22);
    world.network.tamper = (node, payload) => {
      const { number, repair } = readDataFrame(payload) ?? {};
      return node === 'm1' && (number === 3 || repair !== 0) ? undefined : payload;
    };
    const outcome = await run(world.clock, world.send());
    expect(outcome.complete).toEqual(['m0']);
    expect(outcome.unicast).toEqual(['m1']);
    expect(outcome.passes).toBeLessThanOrEqual(12);
  });

  test('bytes that changed on the way are found out and received again', async () => {
    const world = worldOf(3, 300_000, clean, 23);
    const tampered = new Set<number>();
    world.network.tamper = (node, payload) => {
      const sequence = readDataFrame(payload)?.number ?? -1;
      if (node === 'm0' && [0, 47, 100].includes(sequence) && !tampered.has(sequence)) {
        tampered.add(sequence);
        payload[20] = (payload[20] ?? 0) ^ 1;
      }
      return payload;
    };
    await expectAllComplete(world);
    expect(tampered.size).toBe(3);
    expect(world.members[0]?.badUnits.length).toBeGreaterThanOrEqual(3);
  });

  test('a late joiner that is on no list takes part by what it hears', async () => {
    const world = worldOf(3, 400_000, { ...clean, lossShare: 0.05 }, 24);
    const listed = world.members.slice(0, 2).map(({ participant }) => participant);
    const outcome = await run(world.clock, world.send({ participants: listed }));
    expect([...outcome.complete].sort()).toEqual(['m0', 'm1', 'm2']);
    expect(world.members[2]?.bytes.equals(world.container)).toBe(true);
  });

  test('a restarted receiver asks only for what it does not hold', async () => {
    const world = worldOf(1, 600_000, clean, 25);
    const [member] = world.members;
    const sending = world.send();
    while ((member?.held.length ?? 0) < 3) {
      await new Promise(setImmediate);
      world.clock.advance(0.5);
    }
    expect(member?.isDone).toBe(false);
    await member?.receiver?.close();
    expect(member?.stopReason).toBe('closed');
    if (member) member.held = [{ offset: 0, length: headBytes }, ...member.held];
    member?.start();
    const outcome = await run(world.clock, sending);
    expect(outcome.complete).toEqual(['m0']);
    expect(member?.bytes.equals(world.container)).toBe(true);
    expect(member?.held.length).toBe(1 + Math.ceil((600_000 - headBytes) / blockBytes));
  });

  test('a receiver whose leader vanished asks a few times and keeps what it has', async () => {
    const world = worldOf(1, 600_000, clean, 27);
    const read = (offset: number, length: number) =>
      offset < 300_000
        ? world.container.subarray(offset, offset + length)
        : Promise.reject(new Error('crashed'));
    await expect(run(world.clock, world.send({ read }))).rejects.toThrow('crashed');
    for (let turn = 0; turn < 110; turn++) {
      await new Promise(setImmediate);
      world.clock.advance(100);
    }
    const [member] = world.members;
    expect(member?.stopReason).toBe('silence');
    expect(member?.held.length).toBeGreaterThan(1);
    const asked = [...world.network.reportsByPass.values()].reduce((sum, count) => sum + count, 0);
    expect(asked).toBeGreaterThan(0);
    expect(asked).toBeLessThan(8);
  });

  test('a member whose disk fails is left to unicast', async () => {
    const world = worldOf(2, 200_000, clean, 28);
    const [member] = world.members;
    if (member) member.isDiskFull = true;
    const outcome = await run(world.clock, world.send());
    expect(outcome).toMatchObject({ complete: ['m1'], unicast: ['m0'] });
    expect(member?.stopReason).toBe('failed');
    expect(outcome.durationMs).toBeLessThan(100);
  });

  test('the failure of a reader ends the session with its error', async () => {
    const world = worldOf(2, 20_000, clean, 26);
    const read = () => Promise.reject(new Error('the blob is gone'));
    await expect(run(world.clock, world.send({ read }))).rejects.toThrow('the blob is gone');
  });
});
