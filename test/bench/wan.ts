import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { blockBytes } from '#libs/assignment/container.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { blocksPerBatch } from '#libs/tree/batches.js';
import { planTrees } from '#libs/tree/plan.js';
import type { TreePlan } from '#libs/tree/tree-plan.js';
import { makeContainer, type WanContainer } from './wan-container.js';
import { type Distributed, distribute } from './wan-distribute.js';
import { NoNamespaces, WanNetwork } from './wan-network.js';
import { killAll, Peer } from './wan-peers.js';
import { type RivalResult, rivals } from './wan-rivals.js';

/*
 * A container from the origin to leaders over links of equal rate, each in a network namespace:
 * the agents' spool, server and puller, as planned; then with a leader killed half way; beside it
 * other tools over the same links. Agents run for weeks, so a small container goes first: the
 * compiler has then seen what it is to optimise. Needs Linux, root, iproute2; rsync and aria2c
 * for their rows.
 */
const { values: options } = parseArgs({
  options: {
    leaders: { type: 'string', default: '8' },
    'size-mb': { type: 'string', default: '64' },
    'rate-mbit': { type: 'string', default: '50' },
    peers: { type: 'string', default: '' },
    /** Leaves out the run in which a leader dies. */
    'no-kill': { type: 'boolean', default: false },
    'warm-up-mb': { type: 'string', default: '16' },
    json: { type: 'boolean', default: false },
  },
});
const leaderCount = Number(options.leaders);
const mb = 1_000_000;
const bitsPerS = Number(options['rate-mbit']) * mb;
const asked = options.peers.split(',').filter((name) => name !== '');
const unknown = asked.filter((name) => !(name in rivals));
if (unknown.length > 0) throw new Error(`--peers knows ${Object.keys(rivals)}, not ${unknown}`);

const directory = mkdtempSync(join(tmpdir(), 'espalier-wan-'));
let network: WanNetwork | undefined;
try {
  network = new WanNetwork(leaderCount + 1, bitsPerS);
  report(await measureAll(network));
} catch (error) {
  if (!(error instanceof NoNamespaces)) throw error;
  process.stderr.write(`bench:wan needs root and iproute2: ${error.message}\n`);
  process.exitCode = 2;
} finally {
  killAll();
  network?.close();
  rmSync(directory, { recursive: true, force: true });
}

async function measureAll(wan: WanNetwork) {
  const key = signingKeyFromPem(generatePrivateKeyPem());
  const publicKey = Buffer.from(key.publicKey).toString('base64');
  const container = (megabytes: number, seed: number) =>
    makeContainer(directory, key, megabytes * mb, seed);
  const hosts = Array.from({ length: leaderCount + 1 }, (_, host) => host);
  const peers = await Promise.all(hosts.map((host) => Peer.start(wan, host, directory, publicKey)));
  const warmUpMb = Number(options['warm-up-mb']);
  if (warmUpMb > 0) await run('warm-up', wan, peers, await container(warmUpMb, 0));
  const sizeMb = Number(options['size-mb']);
  const measured = await container(sizeMb, 1);
  const undisturbed = await run('undisturbed', wan, peers, measured);
  const doomed = peers.find(({ name }) => name === inTheMiddle(planFor(measured.containerBytes)));
  const killed =
    options['no-kill'] || !doomed
      ? undefined
      : await run('one killed', wan, peers, await container(sizeMb, 2), {
          peer: doomed,
          afterMs: undisturbed.seconds * 500,
        });
  for (const peer of peers) await peer.kill();
  const others: Record<string, RivalResult> = {};
  for (const name of asked) {
    process.stderr.write(`${name}\n`);
    const result = await rivals[name]?.(wan, directory, measured);
    if (result) others[name] = result;
  }
  return { container: measured, undisturbed, killed, others };
}

function run(name: string, wan: WanNetwork, peers: Peer[], container: WanContainer, death?: Death) {
  process.stderr.write(`${name}\n`);
  return distribute(wan, peers, container, planFor(container.containerBytes), death);
}
type Death = Parameters<typeof distribute>[4];

/** Of those who forward, one with as many above it as below. */
function inTheMiddle({ trees }: TreePlan): string | undefined {
  const depths = new Map<string, number>();
  for (const tree of trees) {
    for (const source of new Set(tree.values())) {
      let depth = 0;
      for (let at = tree.get(source); at !== undefined; at = tree.get(at)) depth++;
      if (depth > 0) depths.set(source, depth);
    }
  }
  const forwarders = [...depths].sort(([, a], [, b]) => a - b).map(([name]) => name);
  return forwarders[Math.floor((forwarders.length - 1) / 2)];
}

function planFor(sizeBytes: number): TreePlan {
  const bytesPerS = bitsPerS / 8;
  const link = { upBytesPerS: bytesPerS, downBytesPerS: bytesPerS, latencyMs: 1 };
  const leaders = Array.from({ length: leaderCount }, (_, at) => ({ name: `l${at + 1}`, ...link }));
  return planTrees({
    originUpBytesPerS: bytesPerS,
    leaders,
    sizeBytes,
    batchBytes: blockBytes,
  });
}

interface Figures {
  readonly container: WanContainer;
  readonly undisturbed: Distributed;
  readonly killed: Distributed | undefined;
  readonly others: Readonly<Record<string, RivalResult>>;
}

function report({ container, undisturbed, killed, others }: Figures): void {
  const { containerBytes } = container;
  const plan = planFor(containerBytes);
  const blockCount = Math.ceil(containerBytes / blockBytes);
  const groupBytes = blocksPerBatch(blockCount, plan.trees.length) * blockBytes;
  const limitSeconds = (containerBytes * 8) / bitsPerS;
  const { seconds, originCopies, maxCopiesPerLink, bytesPerLink } = undisturbed;
  const peers = Object.fromEntries(
    Object.entries(others).map(([name, rival]) => [
      name,
      { ...rival, ratio: rival.seconds / limitSeconds },
    ]),
  );
  const figures = {
    leaders: leaderCount,
    sizeBytes: containerBytes,
    rateBytesPerS: bitsPerS / 8,
    plan: { shape: plan.shape, stripes: plan.trees.length, seconds: plan.estimateMs / 1_000 },
    seconds,
    limitSeconds,
    ratio: seconds / limitSeconds,
    originCopies,
    maxCopiesPerLink,
    bytesPerLink,
    retries: undisturbed.retries,
    leadersCpuSeconds: undisturbed.cpuSeconds,
    ...(killed
      ? {
          killed: {
            ...killed,
            ratioToUndisturbed: killed.seconds / undisturbed.seconds,
            mostResentGroups: Math.max(...Object.values(killed.resentBytes)) / groupBytes,
          },
        }
      : {}),
    peers,
  };
  if (options.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
  else process.stdout.write(`${JSON.stringify(figures, undefined, 2)}\n`);
}
