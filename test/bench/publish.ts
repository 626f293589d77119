import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { sleep } from '#libs/clock/clock.js';
import type { RunDetail } from '#libs/contracts/index.js';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import { ApiClient } from '#services/espalier/client/api-client.js';
import { requestRun, waitForRun } from '#services/espalier/commands/publish.js';
import { firstDifference } from '#services/espalier/quickstart/verify.js';
import { processTree } from '../support/process-usage.js';

/*
 * Figures of the whole path, on real processes: start, idle cost, the latency of a small change,
 * and a first publication beside `cp -r` of the same tree to as many directories and `sync`.
 */
const { values: options } = parseArgs({
  options: {
    changes: { type: 'string', default: '30' },
    files: { type: 'string', default: '5000' },
    'file-bytes': { type: 'string', default: '10000' },
    'idle-seconds': { type: 'string', default: '20' },
    dir: { type: 'string', default: tmpdir() },
    json: { type: 'boolean', default: false },
  },
});
const segments = 2;
const nodes = 3;
const runTimeoutMs = 300_000;
/** V8 clears away what the start left behind in the first minute; that is not idle cost. */
const settleMs = 60_000;
const cli = fileURLToPath(new URL('../../services/espalier/cli.js', import.meta.url));

interface Fleet {
  readonly child: ChildProcess;
  readonly client: ApiClient;
  readonly dataDir: string;
  readonly startMs: number;
}

const directory = mkdtempSync(join(options.dir, 'espalier-bench-'));
let fleet: Fleet | undefined;
try {
  fleet = await start(join(directory, 'data'));
  const idle = await measureIdle(fleet, Number(options['idle-seconds']) * 1_000);
  const change = await measureChanges(fleet, Number(options.changes));
  const first = await measureFirstPublication(fleet, Number(options.files));
  report({ startMs: fleet.startMs, idle, change, first });
} finally {
  fleet?.child.kill('SIGTERM');
  await new Promise((ended) => fleet?.child.once('exit', ended) ?? ended(undefined));
  rmSync(directory, { recursive: true, force: true });
}

async function start(dataDir: string): Promise<Fleet> {
  say(`starting ${segments} segments of ${nodes} servers`);
  const startedMs = systemClock.nowMs();
  const sizes = ['--segments', String(segments), '--nodes', String(nodes)];
  const args = [cli, 'up', '--data-dir', dataDir, '--http', '0', '--json', ...sizes];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) {
    const { url } = JSON.parse(line) as { url: string };
    const startMs = systemClock.nowMs() - startedMs;
    return { child, client: new ApiClient(url), dataDir, startMs };
  }
  throw new Error('espalier up ended before it was ready');
}

/** CPU of everything that was started, as a share of one core; memory of the largest of a kind. */
async function measureIdle({ child, dataDir }: Fleet, durationMs: number) {
  say(`idle for ${durationMs / 1_000} s, once the start is over`);
  await sleep(systemClock, settleMs);
  const usage = () => processTree(child.pid ?? 0);
  const cpuMs = () => usage().reduce((sum, process) => sum + process.cpuMs, 0);
  const [beforeMs, startedMs] = [cpuMs(), systemClock.nowMs()];
  await sleep(systemClock, durationMs);
  const coreShare = (cpuMs() - beforeMs) / (systemClock.nowMs() - startedMs);
  const agents = usage().filter(
    ({ command }) => command.includes('agent/main.js') && command.includes(dataDir),
  );
  const node = agents.filter(({ command }) => !command.startsWith('/bin/sh'));
  return {
    coreShare,
    agentRssMb: Math.max(...node.map(({ rssBytes }) => rssBytes)) / 1e6,
    controlPlaneRssMb: (usage().find(({ pid }) => pid === child.pid)?.rssBytes ?? 0) / 1e6,
  };
}

/** One changed file of 1 KB, again and again; from the command to the last server's switch. */
async function measureChanges({ client, dataDir }: Fleet, count: number) {
  say(`${count} publications of one changed file of 1 KB`);
  const staging = join(dataDir, '..', 'small');
  writeTree(staging, 100, 1_000);
  await prepareSite(client, 'small', staging);
  await publish(client, 'small');
  const latenciesMs: number[] = [];
  for (let change = 0; change < count; change++) {
    writeFileSync(join(staging, 'd0', 'f0.txt'), text(1_000, 1_000_000 + change));
    const startedMs = systemClock.nowMs();
    const { nodes: servers } = await publish(client, 'small');
    const switchedMs = servers.map(({ switchedAt }) => Date.parse(switchedAt));
    latenciesMs.push(Math.max(...switchedMs) - startedMs);
  }
  latenciesMs.sort((a, b) => a - b);
  const quantile = (share: number) => latenciesMs[Math.ceil(share * count) - 1] ?? 0;
  return { runs: count, p50Ms: quantile(0.5), p99Ms: quantile(0.99), maxMs: quantile(1) };
}

async function measureFirstPublication({ client, dataDir }: Fleet, count: number) {
  const sizeBytes = Number(options['file-bytes']);
  say(`${count} files of ${sizeBytes} bytes to ${segments * nodes} servers, beside cp and sync`);
  const staging = join(dataDir, '..', 'large');
  writeTree(staging, count, sizeBytes);
  execFileSync('sync');
  await prepareSite(client, 'large', staging);
  const copyMs = timeCopies(staging, join(dataDir, '..', 'copies'));
  const startedMs = systemClock.nowMs();
  const detail = await publish(client, 'large');
  const publishMs = systemClock.nowMs() - startedMs;
  const live = join(dataDir, 'agents', 'paris', 'paris-2', 'sites', 'large', 'live', '.');
  const difference = firstDifference(staging, live);
  if (difference) throw new Error(`paris-2 differs: ${difference}`);
  const multicastBytes = detail.bytes?.multicast ?? 0;
  return { files: count, publishMs, copyMs, ratio: publishMs / copyMs, multicastBytes };
}

function timeCopies(source: string, target: string): number {
  const startedMs = systemClock.nowMs();
  for (let copy = 0; copy < segments * nodes; copy++) {
    mkdirSync(join(target, String(copy)), { recursive: true });
    execFileSync('cp', ['-r', source, join(target, String(copy))]);
  }
  execFileSync('sync');
  return systemClock.nowMs() - startedMs;
}

async function prepareSite(client: ApiClient, site: string, staging: string): Promise<void> {
  await client.send('POST', '/api/v1/sites', { site, staging });
  await client.send('POST', '/api/v1/groups', { group: site, site, membership: { all: true } });
}

async function publish(client: ApiClient, site: string): Promise<RunDetail> {
  const { runId, sequence } = await requestRun(client, site, false);
  const detail = await waitForRun(client, runId, sequence, runTimeoutMs, () => undefined);
  if (detail.run?.status !== 'completed') throw new Error(`${detail.run?.reason}`);
  return detail;
}

/** Text that compresses as prose does; the same seed gives the same tree. */
function writeTree(root: string, count: number, sizeBytes: number): void {
  for (let file = 0; file < count; file++) {
    const folder = join(root, `d${Math.floor(file / 100)}`);
    if (file % 100 === 0) mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `f${file}.txt`), text(sizeBytes, file));
  }
}

function text(sizeBytes: number, seed: number): string {
  const random = seededRandom(seed);
  let words = '';
  while (words.length < sizeBytes) words += `${Math.floor(random() * 65_536).toString(36)} `;
  return words.slice(0, sizeBytes);
}

type Figures = Parameters<typeof report>[0];

function report(figures: {
  startMs: number;
  idle: Awaited<ReturnType<typeof measureIdle>>;
  change: Awaited<ReturnType<typeof measureChanges>>;
  first: Awaited<ReturnType<typeof measureFirstPublication>>;
}): void {
  if (options.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
  else for (const line of lines(figures)) process.stdout.write(`${line}\n`);
}

function lines({ startMs, idle, change, first }: Figures): string[] {
  return [
    `start to ready        ${startMs} ms`,
    `idle                  ${(100 * idle.coreShare).toFixed(1)} % of a core, agent ` +
      `${idle.agentRssMb.toFixed(0)} MB, control plane ${idle.controlPlaneRssMb.toFixed(0)} MB`,
    `one changed file      p50 ${change.p50Ms} ms, p99 ${change.p99Ms} ms, ${change.runs} runs`,
    `first publication     ${first.publishMs} ms; cp and sync ${first.copyMs} ms; ` +
      `ratio ${first.ratio.toFixed(2)}`,
  ];
}

function say(step: string): void {
  process.stderr.write(`${step}\n`);
}
