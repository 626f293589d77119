import { parseArgs } from 'node:util';
import type { Faults } from '#libs/multicast/lossy-network.js';
import { run, worldOf } from '#libs/multicast/session-world.js';

/*
 * MCTP among many members on a network that loses frames independently or in bursts: what repair
 * costs, beside what it would cost to repeat the frames themselves and beside the least there is.
 */
const { values: options } = parseArgs({
  options: {
    members: { type: 'string', default: '10,50,200' },
    loss: { type: 'string', default: '0.01,0.05,0.1,0.2' },
    kilobytes: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const bytes = Number(options.kilobytes) * 1_000;
const seed = Number(options.seed);
const rows: Awaited<ReturnType<typeof simulate>>[] = [];
for (const members of options.members.split(',').map(Number)) {
  for (const lossShare of options.loss.split(',').map(Number)) {
    for (const model of ['independent', 'bursts'] as const) {
      rows.push(await simulate(members, lossShare, model));
      if (!options.json) console.log(JSON.stringify(rows.at(-1)));
    }
  }
}
if (rows.some(({ isEqual }) => !isEqual)) process.exitCode = 1;
if (options.json) console.log(JSON.stringify({ bytes, seed, rows }));

async function simulate(members: number, lossShare: number, model: 'independent' | 'bursts') {
  const runs = model === 'bursts' && { burstFrames: 8 };
  const faults: Faults = { lossShare, ...runs, duplicateShare: 0, maxDelayMs: 1 };
  const world = worldOf(members, bytes, faults, seed);
  const outcome = await run(world.clock, world.send());
  const complete = new Set(outcome.complete);
  const isEqual = world.members.every(
    ({ node, bytes: held }) => !complete.has(node) || held.equals(world.container),
  );
  const sent = (outcome.multicastBytes + outcome.repairBytes) / bytes;
  let repeating = 1;
  for (let k = 1; k < 60; k++) repeating += 1 - (1 - lossShare ** k) ** members;
  const reports = [...world.network.reportsByPass.values()];
  return {
    ...{ members, lossShare, model, isEqual },
    complete: complete.size,
    passes: outcome.passes,
    /** Times the container's size: sent; by repeating frames (independent loss); for one member. */
    sent: round(sent),
    repeatingFrames: round(repeating),
    least: round(1 / (1 - lossShare)),
    mostReportsOfAMemberInAPass: Math.max(0, ...reports),
    virtualMs: Math.round(outcome.durationMs),
  };
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
