import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { ContainerPuller } from '#services/agent/adapters/container-puller.js';
import { ContainerSpool } from '#services/agent/adapters/container-spool.js';
import { startAgentHttp } from '#services/agent/adapters/http-server.js';

/*
 * One leader of `bench:wan`: the agent's spool, server and puller, without the rest. Prints its
 * URL, then pulls what a line of its input says and prints what came from where.
 */
export interface PeerPull {
  readonly digest: string;
  readonly containerBytes: number;
  readonly stripes: string[][];
}

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '' },
    dir: { type: 'string', default: '' },
    key: { type: 'string', default: '' },
  },
});
const trust = { keys: [Buffer.from(values.key, 'base64')], threshold: 1 };
const spool = await ContainerSpool.open(values.dir, 1e12, systemClock);
const http = await startAgentHttp({
  host: values.host,
  port: 0,
  spool,
  trust,
  segment: '',
  onNotification: () => undefined,
  time: () => ({ nowMs: 0, errorMs: 0 }),
  health: () => ({ inService: true, sites: [] }),
  onServedToMember: () => undefined,
});
const puller = new ContainerPuller(spool, trust, systemClock);
say({ url: http.url });
for await (const line of createInterface({ input: process.stdin })) {
  const pull = JSON.parse(line) as PeerPull;
  const startedMs = systemClock.nowMs();
  const cpuBefore = process.cpuUsage();
  const { links, retries } = await puller.pull({ ...pull, sourceUrls: [], asMember: false });
  const durationMs = systemClock.nowMs() - startedMs;
  const { user, system } = process.cpuUsage(cpuBefore);
  say({ durationMs, cpuMs: (user + system) / 1_000, links, retries });
}
await http.close();

function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}
