import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ApiClient } from '#services/espalier/client/api-client.js';
import { requestRun, waitForRun } from '#services/espalier/commands/publish.js';

/*
 * How soon a small assignment is everywhere: from AssignmentBuilt to the last LeaderReceived, as
 * the log has them, for changes of 1 KB to as many leaders; the whole product, on loopback.
 */
const { values: options } = parseArgs({
  options: {
    leaders: { type: 'string', default: '8' },
    changes: { type: 'string', default: '50' },
    json: { type: 'boolean', default: false },
  },
});
const leaderCount = Number(options.leaders);
const runTimeoutMs = 60_000;
const steps = ['AssignmentBuilt', 'DistributionPlanned', 'LeaderNotified', 'LeaderReceived'];
const cli = fileURLToPath(new URL('../../services/espalier/cli.js', import.meta.url));

interface LogLine {
  readonly type: string;
  readonly time: string;
  readonly data: { readonly assignmentId?: string };
}

const directory = mkdtempSync(join(tmpdir(), 'espalier-wan-small-'));
const sizes = ['--segments', options.leaders, '--nodes', '1'];
const data = ['--data-dir', join(directory, 'data'), '--http', '0', '--json'];
const child = spawn(process.execPath, [cli, 'up', ...data, ...sizes], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
try {
  const url = await urlOf(child.stdout);
  report(await measure(url, new ApiClient(url)));
} finally {
  child.kill('SIGTERM');
  await new Promise((ended) => child.once('exit', ended));
  rmSync(directory, { recursive: true, force: true });
}

async function urlOf(output: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: output })) {
    return (JSON.parse(line) as { url: string }).url;
  }
  throw new Error('espalier up ended before it was ready');
}

/** Of an assignment that all leaders have received: milliseconds after AssignmentBuilt. */
interface Course {
  readonly plannedMs: number;
  readonly notifiedMs: number;
  readonly firstReceivedMs: number;
  readonly lastReceivedMs: number;
}

async function measure(url: string, client: ApiClient): Promise<Course[]> {
  const staging = join(directory, 'staging');
  mkdirSync(staging);
  await client.send('POST', '/api/v1/sites', { site: 's', staging });
  await client.send('POST', '/api/v1/groups', { group: 'g', site: 's', membership: { all: true } });
  for (let change = 0; change < Number(options.changes); change++) {
    writeFileSync(join(staging, 'file.txt'), `${change} `.repeat(500).slice(0, 1_000));
    const { runId, sequence } = await requestRun(client, 's', false);
    const { run } = await waitForRun(client, runId, sequence, runTimeoutMs, () => undefined);
    if (run?.status !== 'completed') throw new Error(`a run ended as ${run?.status}`);
  }
  const response = await fetch(`${url}/api/v1/events?type=${steps.join()}`);
  const lines = (await response.text()).split('\n').filter((line) => line !== '');
  return coursesOf(lines.map((line) => JSON.parse(line) as LogLine));
}

function coursesOf(events: readonly LogLine[]): Course[] {
  const times = new Map<string, number[][]>();
  for (const { type, time, data } of events) {
    const { assignmentId = '' } = data;
    const own = times.get(assignmentId) ?? steps.map(() => []);
    times.set(assignmentId, own);
    own[steps.findIndex((step) => type.endsWith(`.${step}`))]?.push(Date.parse(time));
  }
  return [...times.values()].flatMap(([built, planned, notified, received]) => {
    const [builtMs] = built ?? [];
    if (builtMs === undefined || received?.length !== leaderCount) return [];
    const after = (moments: readonly number[] = []) => Math.max(...moments) - builtMs;
    return {
      plannedMs: after(planned),
      notifiedMs: after(notified),
      firstReceivedMs: Math.min(...received) - builtMs,
      lastReceivedMs: after(received),
    };
  });
}

function report(courses: readonly Course[]): void {
  const of = (step: keyof Course) => {
    const sorted = courses.map((course) => course[step]).sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
    return { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
  };
  const figures = {
    leaders: leaderCount,
    assignments: courses.length,
    ...of('lastReceivedMs'),
    steps: {
      planned: of('plannedMs'),
      notified: of('notifiedMs'),
      firstReceived: of('firstReceivedMs'),
    },
  };
  if (options.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
  else process.stdout.write(`${JSON.stringify(figures, undefined, 2)}\n`);
  if (courses.length === 0) process.exitCode = 1;
}
