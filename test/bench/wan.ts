import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { blockBytes } from '#libs/assignment/container.js';
import { writeAssignment } from '#libs/assignment/writer.js';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { sleep } from '#libs/clock/clock.js';
import { JobType } from '#libs/contracts/index.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import { backupsOf } from '#libs/tree/backups.js';
import { planTrees } from '#libs/tree/plan.js';
import { stripeTrees } from '#libs/tree/stripes.js';
import type { TreePlan } from '#libs/tree/tree-plan.js';
import type { LinkUse } from '#services/agent/adapters/transfer.js';
import { NoNamespaces, WanNetwork } from './wan-network.js';
import { checkDigest, killAll, launch, nextLine, type PeerDone, start, stop } from './wan-peers.js';

/*
 * A container from the origin to leaders over links of equal rate, each in a network namespace:
 * real agents' spool, server and puller, as planned; with a leader killed half way; as a star of
 * whole transfers; and rsync from one daemon. Needs Linux, root, iproute2; rsync for its row.
 */
const { values: options } = parseArgs({
  options: {
    leaders: { type: 'string', default: '8' },
    mb: { type: 'string', default: '48' },
    mbit: { type: 'string', default: '50' },
    /** Leaves out what takes as long as a star. */
    'no-stars': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const leaderCount = Number(options.leaders);
const dataBytes = Number(options.mb) * 1_000_000;
const bitsPerS = Number(options.mbit) * 1_000_000;
const originHost = 0;

const directory = mkdtempSync(join(tmpdir(), 'espalier-wan-'));
let network: WanNetwork | undefined;
try {
  network = new WanNetwork(leaderCount + 1, bitsPerS);
  await measureAll(network);
} catch (error) {
  if (!(error instanceof NoNamespaces)) throw error;
  process.stderr.write(`bench:wan needs root and iproute2: ${error.message}\n`);
  process.exitCode = 2;
} finally {
  killAll();
  network?.close();
  rmSync(directory, { recursive: true, force: true });
}

async function measureAll(wan: WanNetwork): Promise<void> {
  const container = await makeContainer();
  const load = loadOf(container.containerBytes);
  const transferMs = (container.containerBytes * 8_000) / bitsPerS;
  const planned = planTrees(load);
  const stripes = planned.shape === 'stripes' ? planned : stripeTrees(load, 2);
  const star: TreePlan = {
    shape: 'breadth',
    trees: [new Map(load.leaders.map(({ name }) => [name, 'origin']))],
    estimateMs: leaderCount * transferMs,
  };
  const stars = async () => [
    await distribute('star of the same agents', wan, container, star),
    await rsync(wan, container.path),
  ];
  const rows = [
    await distribute('stripes', wan, container, stripes),
    await distribute(
      'stripes, one leader killed half way',
      wan,
      container,
      stripes,
      transferMs / 2,
    ),
    ...(options['no-stars'] ? [] : await stars()),
  ];
  const { containerBytes } = container;
  const limits = { transferMs, starMs: leaderCount * transferMs, estimateMs: stripes.estimateMs };
  report({
    leaders: leaderCount,
    containerBytes,
    bitsPerS,
    limits,
    rows: rows.flatMap((r) => r ?? []),
  });
}

function loadOf(sizeBytes: number) {
  const bytesPerS = bitsPerS / 8;
  const link = { upBytesPerS: bytesPerS, downBytesPerS: bytesPerS, latencyMs: 1 };
  const leaders = Array.from({ length: leaderCount }, (_, at) => ({ name: `l${at + 1}`, ...link }));
  return { originUpBytesPerS: bytesPerS, leaders, sizeBytes, batchBytes: blockBytes };
}

async function makeContainer() {
  const key = signingKeyFromPem(generatePrivateKeyPem());
  const path = join(directory, 'container');
  const header = { assignmentId: 'a', site: 'www', part: 1, parts: 1, type: JobType.PUBLISH };
  const random = seededRandom(1);
  function* data() {
    for (let left = dataBytes; left > 0; left -= blockBytes) {
      const piece = Buffer.alloc(Math.min(left, blockBytes));
      for (let at = 0; at + 4 <= piece.length; at += 4) piece.writeUInt32LE(random() * 2 ** 32, at);
      yield piece;
    }
  }
  const written = await writeAssignment({ path, header, commands: [], data: data(), keys: [key] });
  const publicKey = Buffer.from(key.publicKey).toString('base64');
  return {
    path,
    publicKey,
    digest: written.containerDigest,
    containerBytes: written.containerBytes,
  };
}

type Container = Awaited<ReturnType<typeof makeContainer>>;

async function distribute(
  name: string,
  wan: WanNetwork,
  container: Container,
  plan: TreePlan,
  killAfterMs?: number,
) {
  say(name);
  const spools = mkdtempSync(join(directory, 'run-'));
  const originSpool = join(spools, String(originHost));
  mkdirSync(originSpool);
  copyFileSync(container.path, join(originSpool, `${container.digest}.container`));
  const hosts = Array.from({ length: leaderCount + 1 }, (_, host) => host);
  const peers = await Promise.all(
    hosts.map((host) => start(wan, host, spools, container.publicKey)),
  );
  const before = hosts.map((host) => wan.traffic(host));
  const urls = new Map(
    peers.map((peer) => [peer.host === 0 ? 'origin' : `l${peer.host}`, peer.url]),
  );
  const doomed = killAfterMs === undefined ? undefined : peers.at(1);
  const { digest, containerBytes } = container;
  for (const { host, process: child } of peers.slice(1)) {
    const stripes = sourcesOf(plan, `l${host}`).map((names) => names.map((n) => urls.get(n) ?? ''));
    child.stdin?.write(`${JSON.stringify({ digest, containerBytes, stripes })}\n`);
  }
  if (doomed) {
    await sleep(systemClock, killAfterMs ?? 0);
    doomed.process.kill('SIGKILL');
  }
  const alive = peers.slice(1).filter((peer) => peer !== doomed);
  const done = await Promise.all(alive.map((peer) => nextLine<PeerDone>(peer)));
  for (const peer of alive) await checkDigest(peer, digest);
  const after = hosts.map((host) => wan.traffic(host));
  await Promise.all(peers.map(stop));
  const copiesInto = alive.map(({ host }, at) => ({
    application: bytesOf(done[at]?.links ?? []) / containerBytes,
    wire: ((after[host]?.inBytes ?? 0) - (before[host]?.inBytes ?? 0)) / containerBytes,
  }));
  const originOut = (after[0]?.outBytes ?? 0) - (before[0]?.outBytes ?? 0);
  return {
    name,
    shape: `${plan.shape} x${plan.trees.length}`,
    reached: done.length,
    ...times(
      done.map(({ durationMs }) => durationMs),
      containerBytes,
    ),
    mostCopiesInto: Math.max(...copiesInto.map(({ application }) => application)),
    mostCopiesIntoOnWire: Math.max(...copiesInto.map(({ wire }) => wire)),
    originCopiesOnWire: originOut / containerBytes,
    retries: done.reduce((sum, { retries }) => sum + retries, 0),
  };
}

/** A leader's sources for each stripe, as the planner gives them. */
function sourcesOf(plan: TreePlan, leader: string): string[][] {
  return plan.trees.map((tree, stripe) => {
    const [backup = 'origin'] = backupsOf(plan, leader, stripe);
    return [...new Set([tree.get(leader) ?? 'origin', backup, 'origin'])];
  });
}

type Row = Omit<Awaited<ReturnType<typeof distribute>>, 'mostCopiesInto'> & {
  readonly mostCopiesInto?: number;
};

/** Every leader from one rsync daemon: what a plain tool does. */
async function rsync(wan: WanNetwork, path: string): Promise<Row | undefined> {
  say('rsync');
  const port = '18730';
  const daemon = [
    'rsync',
    '--daemon',
    '--no-detach',
    `--port=${port}`,
    `--address=${wan.address(0)}`,
  ];
  const modulePath = join(directory, 'module');
  mkdirSync(modulePath);
  copyFileSync(path, join(modulePath, 'container'));
  const config = join(directory, 'rsyncd.conf');
  writeFileSync(config, `use chroot = no\nlog file = /dev/null\n[m]\npath = ${modulePath}\n`);
  const server = launch(wan.on(0, ...daemon, `--config=${config}`), 'ignore');
  const failedToStart = new Promise<true>((resolve) => server.once('exit', () => resolve(true)));
  if (await Promise.race([failedToStart, sleep(systemClock, 3_000)])) return undefined;
  const before = wan.traffic(0);
  const durations = await Promise.all(
    Array.from({ length: leaderCount }, async (_, at) => {
      const startedMs = systemClock.nowMs();
      const source = `rsync://${wan.address(0)}:${port}/m/container`;
      const client = launch(wan.on(at + 1, 'rsync', '-W', source, join(directory, `rsync-${at}`)));
      const status = await new Promise((resolve) => client.once('exit', resolve));
      return status === 0 ? systemClock.nowMs() - startedMs : Number.NaN;
    }),
  );
  const sizeBytes = wan.traffic(0).outBytes - before.outBytes;
  server.kill('SIGKILL');
  if (durations.some(Number.isNaN)) return undefined;
  const figures = times(durations, dataBytes);
  return {
    name: 'rsync, one daemon',
    shape: 'star',
    reached: durations.length,
    ...figures,
    mostCopiesIntoOnWire: sizeBytes / leaderCount / dataBytes,
    originCopiesOnWire: sizeBytes / dataBytes,
    retries: 0,
  };
}

function times(durations: readonly number[], sizeBytes: number) {
  const sorted = [...durations].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  const transferMs = (sizeBytes * 8_000) / bitsPerS;
  return { p50Ms: at(0.5), lastMs: at(1), lastOverOneTransfer: at(1) / transferMs };
}

function bytesOf(links: readonly LinkUse[]): number {
  return links.reduce((sum, { bytes }) => sum + bytes, 0);
}

interface Figures {
  readonly leaders: number;
  readonly containerBytes: number;
  readonly bitsPerS: number;
  readonly limits: Record<'transferMs' | 'starMs' | 'estimateMs', number>;
  readonly rows: readonly Row[];
}

function report(figures: Figures): void {
  if (options.json) {
    process.stdout.write(`${JSON.stringify(figures)}\n`);
    return;
  }
  const { leaders, containerBytes, limits } = figures;
  const s = (ms: number) => `${(ms / 1_000).toFixed(2)} s`;
  process.stdout.write(
    `${leaders} leaders, ${containerBytes} bytes, ${options.mbit} Mbit/s each way: one transfer ` +
      `${s(limits.transferMs)}, star ${s(limits.starMs)}, plan ${s(limits.estimateMs)}\n`,
  );
  for (const row of figures.rows) {
    process.stdout.write(
      `${row.name.padEnd(36)} ${row.shape.padEnd(11)} p50 ${s(row.p50Ms)} last ` +
        `${s(row.lastMs)} = ${row.lastOverOneTransfer.toFixed(2)} transfers; copies into a link ` +
        `${row.mostCopiesInto?.toFixed(3) ?? '-'} (${row.mostCopiesIntoOnWire.toFixed(3)} on the ` +
        `wire), out of the origin ${row.originCopiesOnWire.toFixed(2)}; ${row.retries} retries\n`,
    );
  }
}

function say(step: string): void {
  process.stderr.write(`${step}\n`);
}
