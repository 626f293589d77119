import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { sleep } from '#libs/clock/clock.js';
import { backupsOf } from '#libs/tree/backups.js';
import type { TreePlan } from '#libs/tree/tree-plan.js';
import type { WanContainer } from './wan-container.js';
import type { WanNetwork } from './wan-network.js';
import type { Peer } from './wan-peers.js';

export interface Distributed {
  readonly seconds: number;
  /** Application bytes over the origin's uplink and over each leader's downlink, in copies. */
  readonly originCopies: number;
  readonly maxCopiesPerLink: number;
  /** Host's link -> bytes on the wire, headers included. */
  readonly bytesPerLink: Readonly<Record<string, { in: number; out: number }>>;
  readonly retries: number;
  /** What each leader received more than the container has, in bytes. */
  readonly resentBytes: Readonly<Record<string, number>>;
  readonly cpuSeconds: number;
}

/** Who dies, and when. */
export interface Death {
  readonly peer: Peer;
  readonly afterMs: number;
}

/** Sends a container from the first peer to all others as planned; all that live must have it. */
export async function distribute(
  wan: WanNetwork,
  peers: readonly Peer[],
  { path, digest, containerBytes }: WanContainer,
  plan: TreePlan,
  death?: Death,
): Promise<Distributed> {
  const [origin, ...leaders] = peers;
  if (!origin) throw new Error('there is no origin');
  copyFileSync(path, join(origin.spool, `${digest}.container`));
  const urls = new Map(peers.map((peer) => [peer.name, peer.url]));
  const before = peers.map(({ host }) => wan.traffic(host));
  const alive = leaders.filter((peer) => peer !== death?.peer);
  const pulls = alive.map((peer) => {
    const stripes = sourcesOf(plan, peer.name).map((names) => names.map((n) => urls.get(n) ?? ''));
    return peer.pull({ digest, containerBytes, stripes });
  });
  if (death) void dies(death, plan, { digest, containerBytes }, urls);
  const done = await Promise.all(pulls);
  const after = peers.map(({ host }) => wan.traffic(host));
  for (const peer of alive) await peer.check(digest);
  const links = done.map((each) => each.links);
  const received = links.map((own) => own.reduce((sum, { bytes }) => sum + bytes, 0));
  const fromOrigin = links.flat().filter(({ url }) => url === origin.url);
  return {
    seconds: Math.max(...done.map(({ durationMs }) => durationMs)) / 1_000,
    originCopies: fromOrigin.reduce((sum, { bytes }) => sum + bytes, 0) / containerBytes,
    maxCopiesPerLink: Math.max(...received) / containerBytes,
    bytesPerLink: Object.fromEntries(
      peers.map(({ name }, at) => [
        name,
        {
          in: (after[at]?.inBytes ?? 0) - (before[at]?.inBytes ?? 0),
          out: (after[at]?.outBytes ?? 0) - (before[at]?.outBytes ?? 0),
        },
      ]),
    ),
    resentBytes: Object.fromEntries(
      alive.map(({ name }, at) => [name, (received[at] ?? 0) - containerBytes]),
    ),
    retries: done.reduce((sum, { retries }) => sum + retries, 0),
    cpuSeconds: done.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / 1_000,
  };
}

async function dies(
  { peer, afterMs }: Death,
  plan: TreePlan,
  what: { digest: string; containerBytes: number },
  urls: ReadonlyMap<string, string>,
): Promise<void> {
  const stripes = sourcesOf(plan, peer.name).map((names) => names.map((n) => urls.get(n) ?? ''));
  peer.pull({ ...what, stripes }).catch(() => undefined);
  await sleep(systemClock, afterMs);
  await peer.kill();
}

/** A leader's sources for each stripe, as the planner gives them. */
function sourcesOf(plan: TreePlan, leader: string): string[][] {
  return plan.trees.map((tree, stripe) => {
    const [backup = 'origin'] = backupsOf(plan, leader, stripe);
    return [...new Set([tree.get(leader) ?? 'origin', backup, 'origin'])];
  });
}
