import { lstatSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { ControlPlane } from '../support/control-plane.js';
import { treeOf } from '../support/trees.js';

/*
 * A fleet of real agents on one host: how far apart its servers switch, by the times of their
 * links (one clock) and by what they report, and how long it takes until all are back.
 */
const { values: options } = parseArgs({
  options: {
    segments: { type: 'string', default: '5' },
    nodes: { type: 'string', default: '10' },
    files: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '5' },
    // Not counted: clocks and commits have been measured then.
    'warm-up': { type: 'string', default: '2' },
    // 0: twice what the commits before took.
    'lead-ms': { type: 'string', default: '0' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(options.rounds);
const warmUp = Number(options['warm-up']);
const site = 'www';

const sizes = { segments: Number(options.segments), nodes: Number(options.nodes) };
say(`starting ${sizes.segments} segments of ${sizes.nodes} servers`);
const plane = await ControlPlane.start(sizes);
try {
  const staging = await plane.createSite(site);
  for (let number = 0; number < Number(options.files); number++) {
    const directory = join(staging, `d${number % 10}`);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `f${number}`), `content of ${number}\n`.repeat(100));
  }
  await complete('publish', site, '--quorum', 'all');
  const [skews, reported, rollbacks]: [number[], number[], number[]] = [[], [], []];
  const commits: Commit[] = [];
  for (let round = 1 - warmUp; round <= rounds; round++) {
    writeFileSync(join(staging, 'd0/f0'), `round ${round}\n`);
    const given = options['lead-ms'] === '0' ? [] : ['--lead', options['lead-ms']];
    const lead = ['--quorum', 'all', ...given];
    const before = (await plane.events()).length;
    await complete('publish', site, ...lead);
    await check(staging);
    const switched = switchTimes();
    skews.push(...behindFirst(switched));
    reported.push(...behindFirst(await reportedTimes(before)));
    commits.push(await commitOf(before));
    const startedMs = systemClock.nowMs();
    await complete('rollback', site);
    rollbacks.push(Math.max(...switchTimes()) - startedMs);
    const apart = Math.max(...behindFirst(switched)).toFixed(1);
    const { leadMs, readyMs, late, onReceipt, clockErrorMs } = commits.at(-1) as Commit;
    say(
      `round ${round}: ${apart} ms apart, back in ${rollbacks.at(-1)} ms; lead ${leadMs} ms, all ` +
        `ready after ${readyMs} ms, ${late} late, ${onReceipt} on receipt, clocks within ` +
        `${clockErrorMs} ms${round < 1 ? '; not counted' : ''}`,
    );
    if (round < 1) for (const counted of [skews, reported, rollbacks, commits]) counted.length = 0;
  }
  report({
    ...{ servers: sizes.segments * sizes.nodes, rounds, commits },
    skewMs: { p50: percentile(skews, 0.5), p99: percentile(skews, 0.99), max: Math.max(...skews) },
    reportedSkewMs: { p99: percentile(reported, 0.99), max: Math.max(...reported) },
    rollbackMs: { p50: percentile(rollbacks, 0.5), max: Math.max(...rollbacks), raw: rollbacks },
  });
} finally {
  await plane.close();
}

async function complete(...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await plane.cli(...args, '--wait', '-o', 'json');
  const { status, reason } = JSON.parse(stdout || '{}') as { status?: string; reason?: string };
  if (code === 0 && status === 'completed') return;
  throw new Error(`espalier ${args.join(' ')}: ${status} ${reason} ${stderr}`);
}

/** When each server's live link was renamed, by this host's clock. */
function switchTimes(): number[] {
  return plane.nodes.map(
    (node) => lstatSync(join(plane.root(node), 'sites', site, 'live')).ctimeMs,
  );
}

async function reportedTimes(after: number): Promise<number[]> {
  const events = (await plane.events()).slice(after);
  const switched = events.filter(({ type }) => type.endsWith('.SegmentSwitched'));
  return switched.flatMap(({ data }) =>
    (data as unknown as { nodes: { switchedAtMs: string }[] }).nodes.map((node) =>
      Number(node.switchedAtMs),
    ),
  );
}

interface Commit {
  readonly leadMs: number;
  /** From the commit until the last server had nothing left to do but switch. */
  readonly readyMs: number;
  /** Servers that got the commit after its time, and those that did not trust their clock. */
  readonly late: number;
  readonly onReceipt: number;
  readonly clockErrorMs: number;
}

/** What the events say of the only commit after that one. */
async function commitOf(after: number): Promise<Commit> {
  const events = (await plane.events()).slice(after);
  const commit = events.find(({ type }) => type.endsWith('.CommitIssued'));
  const committedAtMs = Date.parse(commit?.time ?? '');
  const switchAtMs = Number((commit?.data as { switchAtMs?: string })?.switchAtMs ?? 0);
  const nodes = events
    .filter(({ type }) => type.endsWith('.SegmentSwitched'))
    .flatMap(({ data }) => (data as unknown as { nodes: Record<string, unknown>[] }).nodes);
  const ready = nodes.map(({ readyAtMs }) => Number(readyAtMs ?? 0));
  return {
    leadMs: switchAtMs - committedAtMs,
    readyMs: Math.max(...ready) - committedAtMs,
    late: ready.filter((timeMs) => timeMs > switchAtMs).length,
    onReceipt: nodes.filter(({ onReceipt }) => onReceipt).length,
    clockErrorMs: Math.max(...nodes.map(({ clockErrorMs }) => Number(clockErrorMs ?? 0))),
  };
}

/** Each server's milliseconds after the first. */
function behindFirst(times: readonly number[]): number[] {
  const first = Math.min(...times);
  return times.map((time) => time - first);
}

async function check(staging: string): Promise<void> {
  const wanted = JSON.stringify(treeOf(staging));
  for (const node of plane.nodes) {
    if (JSON.stringify(treeOf(plane.live(node, site))) === wanted) continue;
    throw new Error(`${node} does not serve what was published`);
  }
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
}

function report(figures: {
  readonly servers: number;
  readonly rounds: number;
  readonly commits: readonly Commit[];
  readonly skewMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly reportedSkewMs: { readonly p99: number; readonly max: number };
  readonly rollbackMs: { readonly p50: number; readonly max: number; readonly raw: number[] };
}): void {
  if (options.json) {
    process.stdout.write(`${JSON.stringify(figures)}\n`);
    return;
  }
  const { servers, skewMs, rollbackMs } = figures;
  const { p50, p99, max } = skewMs;
  const times = [p50, p99, max].map((value) => value.toFixed(1));
  process.stdout.write(
    `${servers} servers switch p50 ${times[0]} ms, p99 ${times[1]} ms, at most ${times[2]} ms ` +
      `after the first; all are back in ${rollbackMs.p50} ms, at most ${rollbackMs.max} ms\n`,
  );
}

function say(step: string): void {
  process.stderr.write(`${step}\n`);
}
