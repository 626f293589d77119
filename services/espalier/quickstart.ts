import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import pc from 'picocolors';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { DomainError, type RunDetail } from '#libs/contracts/index.js';
import { ApiClient, Refused } from './client/api-client.js';
import { requestRun, watchRun } from './commands/publish.js';
import { untilStopped } from './commands/up.js';
import { exitCodes } from './exit-codes.js';
import { type Column, renderTable } from './output/table.js';
import { formatBytes, formatDuration } from './output/units.js';
import { changeOneFile, defaultSource, fillStaging } from './quickstart/staging.js';
import { firstDifference } from './quickstart/verify.js';
import { startControlPlane } from './up/control-plane.js';
import { type DemoAgent, startDemoAgents } from './up/demo-agents.js';

const site = 'www';
const runTimeoutMs = 300_000;

interface Publication {
  readonly title: string;
  readonly detail: RunDetail;
}

const columns: readonly Column<Publication>[] = [
  ['published', ({ title }) => title],
  ['files', ({ detail }) => String(filesSent(detail))],
  ['per WAN link', ({ detail }) => formatBytes(perLink(detail))],
  ['copies', ({ detail }) => mostCopies(detail)],
  ['multicast', ({ detail }) => formatBytes(detail.bytes?.multicast ?? 0)],
  ['repair', ({ detail }) => formatBytes(detail.bytes?.repair ?? 0)],
  ['time', ({ detail }) => formatDuration(detail.run?.durationMs ?? 0)],
  ['saved against whole files', ({ detail }) => saving(detail)],
];

const { values: options } = parseArgs({
  options: {
    source: { type: 'string', default: defaultSource },
    http: { type: 'string', default: '0' },
    once: { type: 'boolean', default: false },
  },
});

try {
  process.exitCode = await quickstart();
} catch (error) {
  const remedy = error instanceof DomainError || error instanceof Refused ? error.remedy : '';
  process.stderr.write(
    `${pc.red('error')}: ${(error as Error).message}\n${remedy && `${remedy}\n`}`,
  );
  process.exitCode = exitCodes.error;
}
if (options.once) process.exit();

/** Two segments of three servers, two publications, every live tree compared. @returns exit code */
async function quickstart(): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'espalier-quickstart-'));
  const dataDir = join(directory, 'data');
  const staging = join(directory, 'staging');
  fillStaging(resolve(options.source), staging);
  step('Starting the control plane');
  mkdirSync(dataDir);
  const control = await startControlPlane({
    dataDir,
    httpHost: '127.0.0.1',
    httpPort: Number(options.http),
    agentPort: 0,
    log: quiet,
  });
  step('Starting 2 segments of 3 servers');
  const fleet = await startDemoAgents(control, { dataDir, segments: 2, nodes: 3, log: quiet });
  const stop = async () => {
    step('Stopping everything and removing it');
    await fleet.close();
    await control.close();
    rmSync(directory, { recursive: true, force: true });
  };
  const stopped = options.once ? undefined : untilStopped();
  try {
    const client = new ApiClient(control.url);
    const same = await publishTwice(client, staging, fleet.agents);
    if (!same) return exitCodes.error;
    step(`Console: ${control.url}/`);
    step(`Staging directory: ${staging}`);
    if (stopped) {
      step(`Try: ESPALIER_URL=${control.url} npx espalier publish ${site} --wait`);
      step('Ctrl-C stops everything and removes it');
      await stopped;
    }
    return exitCodes.done;
  } finally {
    await stop();
  }
}

async function publishTwice(
  client: ApiClient,
  staging: string,
  agents: readonly DemoAgent[],
): Promise<boolean> {
  await client.send('POST', '/api/v1/sites', { site, staging });
  await client.send('POST', '/api/v1/groups', { group: 'web', site, membership: { all: true } });
  step('Publishing the whole tree');
  const whole = await publish(client);
  if (!verify(staging, agents)) return false;
  const changed = changeOneFile(staging);
  step(`Publishing a change of ${changed.path} (${formatBytes(changed.sizeBytes)})`);
  const delta = await publish(client);
  if (!verify(staging, agents)) return false;
  const rows = [
    { title: 'whole tree', detail: whole },
    { title: 'one changed file', detail: delta },
  ];
  process.stdout.write(`\n${renderTable(columns, rows, '')}\n\n`);
  return true;
}

async function publish(client: ApiClient): Promise<RunDetail> {
  const { runId, sequence } = await requestRun(client, site, false);
  const detail = await watchRun(client, runId, sequence, runTimeoutMs);
  if (detail.run?.status === 'completed') return detail;
  throw new Error(`run ${runId} ended as ${detail.run?.status}: ${detail.run?.reason}`);
}

/** Byte for byte, mode and link target. */
function verify(staging: string, agents: readonly DemoAgent[]): boolean {
  const startedMs = systemClock.nowMs();
  for (const { node, root } of agents) {
    const difference = firstDifference(staging, join(root, 'sites', site, 'live', '.'));
    if (!difference) continue;
    process.stderr.write(`${pc.red('different')} on ${node}: ${difference}\n`);
    return false;
  }
  const took = formatDuration(systemClock.nowMs() - startedMs);
  step(`${pc.green('verified')}: ${agents.length} live trees are the staging tree (${took})`);
  return true;
}

function filesSent({ changes }: RunDetail): number {
  return (changes?.added ?? 0) + (changes?.changed ?? 0);
}

function perLink({ bytes, links }: RunDetail): number {
  return (bytes?.wan ?? 0) / Math.max(1, links.length);
}

/** Over the WAN link that carried most. */
function mostCopies({ links }: RunDetail): string {
  return (Math.max(0, ...links.map((link) => link.copiesPermille)) / 1_000).toFixed(2);
}

/** How much less crossed a link than the changed files have. */
function saving(detail: RunDetail): string {
  const wholeBytes = detail.changes?.changedBytes ?? 0;
  if (wholeBytes === 0) return '-';
  return `${(100 * (1 - perLink(detail) / wholeBytes)).toFixed(1)} %`;
}

function step(text: string): void {
  process.stdout.write(`${text}\n`);
}

function quiet(): void {}
