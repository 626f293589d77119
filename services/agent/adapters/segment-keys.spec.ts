import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { type EnrolReply, EnrolReplySchema } from '#libs/contracts/index.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { ServerRemoved } from './enrolment.js';
import { SegmentKeys } from './segment-keys.js';

const startMs = 1_000_000;

function reply(...useFromMs: number[]) {
  const segmentKeys = useFromMs.map((fromMs, index) => ({
    epoch: index + 1,
    key: Buffer.alloc(32, index + 1),
    useFromMs: BigInt(fromMs),
  }));
  return create(EnrolReplySchema, { segmentKeys });
}

class Host {
  readonly clock = new VirtualClock(startMs);
  asked = 0;
  isLeader = false;
  unknownEpochs = 0;
  answer: EnrolReply | ServerRemoved = reply(0);
  readonly removed: string[] = [];
  readonly keys = new SegmentKeys({
    enrolment: reply(0),
    ask: async () => {
      this.asked++;
      if (this.answer instanceof ServerRemoved) throw this.answer;
      return this.answer;
    },
    clock: this.clock,
    isLeader: () => this.isLeader,
    unknownEpochs: () => this.unknownEpochs,
    onWatch: () => undefined,
    onRemoved: ({ message }) => this.removed.push(message),
    log: () => undefined,
  });

  /** Lets time pass in steps, so that answers arrive in between. */
  async pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      this.clock.advance(1_000);
      await Promise.resolve();
    }
  }
}

describe("a segment's keys at an agent", () => {
  test('are asked for by a leader once a minute, by a member once an hour', async () => {
    const leader = new Host();
    leader.isLeader = true;
    const member = new Host();
    for (const host of [leader, member]) {
      host.keys.start();
      await host.pass(3_700);
    }
    expect(leader.asked).toBeGreaterThanOrEqual(58);
    expect(leader.asked).toBeLessThanOrEqual(62);
    expect(member.asked).toBe(1);
  });

  test('are asked for at once when the leader has a newer one, but only once', async () => {
    const host = new Host();
    host.keys.start();
    await host.pass(10);
    host.answer = reply(0, startMs + 60_000);
    host.keys.leaderHas(2);
    host.keys.leaderHas(2);
    await host.pass(1);
    expect(host.asked).toBe(1);
    expect(host.keys.ring.newestEpoch()).toBe(2);
    expect(host.keys.ring.epoch).toBe(1);
    await host.pass(60);
    expect(host.keys.ring.epoch).toBe(2);
  });

  test('are asked for when frames of unknown epochs are heard', async () => {
    const host = new Host();
    host.keys.start();
    await host.pass(10);
    host.unknownEpochs = 5;
    await host.pass(16);
    expect(host.asked).toBe(1);
    await host.pass(60);
    expect(host.asked).toBe(1);
  });

  test('tell a leader within a minute that its server was removed', async () => {
    const host = new Host();
    host.isLeader = true;
    host.keys.start();
    host.answer = new ServerRemoved('paris-1 is removed', 'start with an empty directory');
    await host.pass(75);
    expect(host.removed).toEqual(['paris-1 is removed']);
  });
});
