import { parseArgs } from 'node:util';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import type { Faults } from '#libs/multicast/lossy-network.js';
import { frameBytes, run, worldOf } from '#libs/multicast/session-world.js';

/*
 * MCTP among many members on a network that loses frames independently or in bursts: what repair
 * costs, beside what it would cost to repeat the frames themselves and beside the least there is.
 * The product's machines, buffers and repair run; only sockets and disks are simulated.
 *   npm run sim:multicast -- --receivers 200 --loss 0.1 --size-mb 64 --seed 1 [--burst 8] --json
 */
const { values: options } = parseArgs({
  options: {
    receivers: { type: 'string', default: '200' },
    loss: { type: 'string', default: '0.1' },
    'size-mb': { type: 'string', default: '64' },
    /** Mean length of the runs of frames that a member loses; 1: each by itself. */
    burst: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const receivers = Number(options.receivers);
const lossShare = Number(options.loss);
const burstFrames = Number(options.burst);
const bytes = Number(options['size-mb']) * 1_000_000;
const startedMs = systemClock.nowMs();
const runs = burstFrames > 1 && { burstFrames };
const faults: Faults = { lossShare, ...runs, duplicateShare: 0, maxDelayMs: 1 };
const world = worldOf(receivers, bytes, faults, Number(options.seed), false);
const outcome = await run(world.clock, world.send());
const dataFrames = Math.ceil(bytes / frameBytes);
const framesSent =
  Math.ceil(outcome.multicastBytes / frameBytes) + Math.ceil(outcome.repairBytes / frameBytes);
const summary = {
  ...{ receivers, loss: lossShare, burst: burstFrames, sizeMb: bytes / 1e6, seed: options.seed },
  framesSent,
  dataFrames,
  ratio: rounded(framesSent / dataFrames),
  passes: outcome.passes,
  /** Messages of one member in one pass, unasked ones included. */
  reportsPerPassMax: Math.max(0, ...world.network.reportsByPass.values()),
  allEqual: world.members.every(({ isDone, isEqual }) => isDone && isEqual),
  leftToUnicast: outcome.unicast.length,
  /** Times the data: by repeating the frames themselves (independent loss); for one member. */
  repeatingFrames: rounded(1 + repeatedShare()),
  least: rounded(1 / (1 - lossShare)),
  virtualMs: Math.round(outcome.durationMs),
  wallMs: systemClock.nowMs() - startedMs,
};
if (!summary.allEqual) process.exitCode = 1;
process.stdout.write(`${JSON.stringify(summary, undefined, options.json ? undefined : 2)}\n`);

function repeatedShare(): number {
  let share = 0;
  for (let k = 1; k < 60; k++) share += 1 - (1 - lossShare ** k) ** receivers;
  return share;
}

function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
