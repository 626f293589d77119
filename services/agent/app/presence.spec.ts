import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { CapacitySchema, RegisterSchema } from '#libs/contracts/index.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import type { AgentConfig } from '../config.js';
import { Presence } from './presence.js';

/** A leader of a segment of so many servers. */
function leaderOf(
  servers: number,
  disk: { free: bigint },
  { votingFactor = 1, onChanged = (): void => undefined } = {},
) {
  const clock = new VirtualClock(1_000);
  const presence = new Presence({
    clock,
    random: () => 0.5,
    config: {
      node: 'a',
      segment: 's',
      labels: {},
      votingFactor,
    } as Partial<AgentConfig> as AgentConfig,
    httpUrl: 'http://a',
    agentType: 'posix/1',
    capacity: () =>
      create(CapacitySchema, {
        cpuCount: 2,
        memoryBytes: 4_000_000_000n,
        diskFreeBytes: disk.free,
      }),
    executor: { liveVersions: () => [] },
    onChanged,
  });
  const members = Array.from({ length: servers }, (_, n) => ({
    register: create(RegisterSchema, { node: `${n}` }),
  }));
  presence.leads(true);
  presence.segmentReport(
    { leader: { node: 'a', term: 1n, httpUrl: 'http://a' }, members },
    'joined',
  );
  return { presence, clock };
}

const roomy = { free: 10n * 2n ** 30n };

describe('the weight of a vote', () => {
  test('rises with the members that a leader knows, and lasts an hour after it led', () => {
    const alone = leaderOf(1, roomy).presence.priority();
    const { presence, clock } = leaderOf(20, roomy);
    const leading = presence.priority();
    expect(leading).toBeGreaterThan(alone);
    presence.leads(false);
    clock.advance(3_500_000);
    expect(presence.priority()).toBe(leading);
    clock.advance(200_000);
    expect(presence.priority()).toBeLessThan(alone);
  });

  test('follows the administrator before any measurement', () => {
    const former = leaderOf(1_000, roomy).presence;
    const appointed = leaderOf(1, roomy, { votingFactor: 2 }).presence;
    appointed.leads(false);
    expect(appointed.priority()).toBeGreaterThan(former.priority());
    expect(leaderOf(1, roomy, { votingFactor: 3 }).presence.priority()).toBeGreaterThan(
      appointed.priority(),
    );
  });

  test('is none where the administrator wants no leader, however full the disks are', () => {
    for (const disk of [roomy, { free: 0n }]) {
      expect(leaderOf(3, disk, { votingFactor: 0 }).presence.priority()).toBe(0n);
    }
  });
});

test('a segment is reported again when nothing was told of it for ten minutes', () => {
  const { presence, clock } = leaderOf(2, roomy);
  clock.advance(599_000);
  expect(presence.isReportDue()).toBe(false);
  clock.advance(1_000);
  expect(presence.isReportDue()).toBe(true);
  presence.segmentReport({ leader: { node: 'a', term: 1n, httpUrl: '' }, members: [] }, 'timer');
  expect(presence.isReportDue()).toBe(false);
});

describe('the leader of a segment whose disk is full', () => {
  test('steps aside for the others, and comes back as a candidate when there is room', () => {
    const disk = { free: 10n * 2n ** 30n };
    const { presence, clock } = leaderOf(3, disk);
    expect(presence.priority()).toBeGreaterThan(1n);
    disk.free = 1_000_000n;
    expect(presence.priority()).toBe(0n);
    clock.advance(61_000);
    expect(presence.priority()).toBe(1n);
    disk.free = 10n * 2n ** 30n;
    expect(presence.priority()).toBeGreaterThan(1n);
  });

  test('leads on when there is nobody else', () => {
    const { presence } = leaderOf(1, { free: 1_000_000n });
    expect(presence.priority()).toBe(1n);
  });
});

test('changes that follow each other are told by one registration', () => {
  let told = 0;
  const onChanged = () => {
    told += 1;
  };
  const { presence, clock } = leaderOf(1, { free: 2n ** 40n }, { onChanged });
  presence.changed();
  clock.advance(60);
  presence.changed();
  expect(told).toBe(0);
  clock.advance(40);
  expect(told).toBe(1);
  clock.advance(1_000);
  expect(told).toBe(1);
  presence.changed();
  clock.advance(100);
  expect(told).toBe(2);
  presence.changed();
  presence.close();
  clock.advance(1_000);
  expect(told).toBe(2);
});
