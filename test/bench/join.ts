import { parseArgs } from 'node:util';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { sleep } from '#libs/clock/clock.js';
import { NodeListSchema } from '#libs/contracts/index.js';
import { ApiClient } from '#services/espalier/client/api-client.js';
import { ControlPlane } from '../support/control-plane.js';
import { startNamedAgent } from '../support/own-agent.js';

/*
 * How long a new server takes from the start of its agent, its enrolment included, until it is
 * registered and `espalier get nodes` shows it online, with the `fast` timings.
 */
const { values: options } = parseArgs({
  options: { joins: { type: 'string', default: '5' }, json: { type: 'boolean', default: false } },
});

const limitMs = 3_000;
const lookEveryMs = 20;
const plane = await ControlPlane.start({ segments: 1, nodes: 2 });
const client = new ApiClient(plane.url);
const segment = plane.nodes[0]?.replace(/-\d+$/, '') ?? '';
const joinMs: number[] = [];
try {
  await untilOnline(plane.nodes);
  for (let join = 1; join <= Number(options.joins); join++) {
    const node = `${segment}-new-${join}`;
    const startedMs = systemClock.nowMs();
    const agent = startNamedAgent(plane, segment, node);
    try {
      await untilOnline([node]);
      joinMs.push(systemClock.nowMs() - startedMs);
    } finally {
      await agent.stop();
    }
  }
} finally {
  await plane.close();
}
const sorted = [...joinMs].sort((a, b) => a - b);
const [p50 = 0, max = 0] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
const summary = { joins: joinMs.length, joinMs: { p50, max, all: joinMs }, limitMs };
process.stdout.write(`${JSON.stringify(summary, undefined, options.json ? undefined : 2)}\n`);

/** By the query that `espalier get nodes` makes: a process for each look would be what is timed. */
async function untilOnline(names: readonly string[]): Promise<void> {
  for (;;) {
    const { nodes } = await client.get('/api/v1/nodes', NodeListSchema);
    const isOnline = (name: string) =>
      nodes.some((node) => node.name === name && node.status === 'online');
    if (names.every(isOnline)) return;
    await sleep(systemClock, lookEveryMs);
  }
}
