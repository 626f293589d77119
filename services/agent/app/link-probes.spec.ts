import { create } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { ContainerSourceSchema, type LinkReport } from '#libs/contracts/index.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { LinkProbes } from './link-probes.js';

const rounds: Readonly<Record<string, number>> = { 'https://origin': 900, 'https://rome': 0 };

describe('the probes of a leader', () => {
  let clock: VirtualClock;
  let reports: LinkReport[];
  let isPlannerAway: boolean;
  let probes: LinkProbes;

  beforeEach(() => {
    clock = new VirtualClock();
    reports = [];
    isPlannerAway = false;
    probes = new LinkProbes({
      segment: 'paris',
      node: 'paris-1',
      peers: async () => {
        if (isPlannerAway) throw new Error('away');
        return ['origin', 'rome'].map((name) =>
          create(ContainerSourceSchema, { name, url: `https://${name}` }),
        );
      },
      probe: async (url) => rounds[url] ?? 0,
      report: async (report) => {
        reports.push(report);
      },
      clock,
      random: () => 0.5,
    });
  });

  /** Time passes; what was begun comes to its end. */
  const pass = async (durationMs: number) => {
    clock.advance(durationMs);
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  };

  test('tell what is reached, how quickly, and what is not', async () => {
    probes.start();
    await pass(3_000);
    expect(reports).toMatchObject([
      {
        segment: 'paris',
        links: [
          { peer: 'origin', isReachable: true, rttUs: 900 },
          { peer: 'rome', isReachable: false, rttUs: 0 },
        ],
      },
    ]);
  });

  test('are repeated soon while the planner is away', async () => {
    isPlannerAway = true;
    probes.start();
    await pass(3_000);
    isPlannerAway = false;
    await pass(15_000);
    expect(reports).toHaveLength(1);
  });

  test('are repeated ever more rarely, down to every five minutes', async () => {
    probes.start();
    await pass(3_000);
    for (const pauseMs of [15_000, 30_000, 60_000, 120_000, 240_000, 300_000, 300_000]) {
      const before = reports.length;
      await pass(pauseMs - 1);
      expect(reports).toHaveLength(before);
      await pass(1);
      expect(reports).toHaveLength(before + 1);
    }
  });

  test('end when the agent leads no more', async () => {
    probes.start();
    probes.stop();
    await pass(600_000);
    expect(reports).toEqual([]);
  });
});
