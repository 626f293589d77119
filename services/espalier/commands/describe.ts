import type { Command } from 'commander';
import {
  JobViewSchema,
  type RunDetail,
  RunDetailSchema,
  type RunLink,
  SegmentDetailSchema,
} from '#libs/contracts/index.js';
import { renderJob } from '../output/job.js';
import { renderSegment } from '../output/segment.js';
import { renderTable } from '../output/table.js';
import { formatBytes, formatDuration } from '../output/units.js';
import { clientOf, print, printJson, withClientOptions } from './context.js';

/** `espalier describe run ID`, `describe job NAME` and `describe segment NAME`. */
export function describeCommand(program: Command): void {
  const describe = program.command('describe').description('one thing with all that belongs to it');
  withClientOptions(
    describe.command('run').description('how a run went, server by server').argument('<id>'),
  ).action(async (id, options) => {
    const path = `/api/v1/runs/${encodeURIComponent(id)}`;
    const detail = await clientOf(options).get(path, RunDetailSchema);
    if (options.output === 'json') printJson(RunDetailSchema, detail);
    else print(renderRun(detail));
  });
  withClientOptions(
    describe
      .command('job')
      .description('what makes a job run, its next runs, and how it runs')
      .argument('<name>'),
  ).action(async (name, options) => {
    const path = `/api/v1/jobs/${encodeURIComponent(name)}`;
    const job = await clientOf(options).get(path, JobViewSchema);
    if (options.output === 'json') printJson(JobViewSchema, job);
    else print(renderJob(job));
  });
  withClientOptions(
    describe
      .command('segment')
      .description('who leads a segment, how its members are reached and what they lose')
      .argument('<name>'),
  ).action(async (name, options) => {
    const path = `/api/v1/segments/${encodeURIComponent(name)}`;
    const detail = await clientOf(options).get(path, SegmentDetailSchema);
    if (options.output === 'json') printJson(SegmentDetailSchema, detail);
    else print(renderSegment(detail));
  });
}

/** The text of a run's description. */
export function renderRun({ run, changes, assignments, nodes, bytes, links }: RunDetail): string {
  const facts: [string, string][] = [
    ['Run', run?.runId ?? ''],
    ['Site', run?.site ?? ''],
    ['Type', `${run?.type}${run?.dryRun ? ' (dry run)' : ''}`],
    ['Status', [run?.status, run?.phase].filter(Boolean).join(': ')],
    ['Reason', run?.reason ?? ''],
    ['Waits for', run?.blockingRunId ? `run ${run.blockingRunId}` : ''],
    ['Job', run?.job ? `${run.job} v${run.jobVersion}, ${run.trigger}` : ''],
    ['Wave of', run?.rolloutRunId ?? ''],
    ['Asked by', run?.actor ?? ''],
    ['Requested', run?.requestedAt ?? ''],
    ['Took', run?.durationMs ? formatDuration(run.durationMs) : ''],
  ];
  if (changes) {
    const { added, changed, deleted, renamed, metadata, files, treeBytes } = changes;
    facts.push(
      ['Tree', `${files} files, ${formatBytes(treeBytes)}`],
      [
        'Changes',
        run?.nothingChanged
          ? 'nothing changed'
          : `${added} new, ${changed} changed, ${deleted} deleted, ${renamed} renamed, ` +
            `${metadata} mode or time only`,
      ],
    );
  }
  for (const { id, type, bytes: size } of assignments) {
    facts.push(['Assignment', `${id} (${type}, ${formatBytes(size)})`]);
  }
  facts.push(['Switched', switchedText(nodes)]);
  const repair = bytes?.repair ? `, ${formatBytes(bytes.repair)} repair` : '';
  facts.push([
    'Bytes',
    [
      `${formatBytes(bytes?.wan ?? 0)} over WAN links`,
      `${formatBytes(bytes?.multicast ?? 0)} multicast${repair}`,
      `${formatBytes(bytes?.unicast ?? 0)} unicast`,
      `${formatBytes(bytes?.saved ?? 0)} saved by deltas`,
    ].join(', '),
  ]);
  const lines = facts.filter(([, value]) => value !== '');
  return [
    ...lines.map(([name, value]) => `${`${name}:`.padEnd(12)} ${value}`),
    '',
    linkTable(links),
    '',
    renderTable(
      [
        ['server', ({ node }) => node],
        ['segment', ({ segment }) => segment],
        ['status', ({ status }) => status],
        ['live since', ({ switchedAt }) => switchedAt || '-'],
        ['error', ({ error }) => error],
      ],
      nodes,
      'no servers take part',
    ),
  ].join('\n');
}

/** How many servers switched, and how far apart the first and the last. */
function switchedText(nodes: RunDetail['nodes']): string {
  const times = nodes.flatMap(({ switchedAt }) => (switchedAt ? [Date.parse(switchedAt)] : []));
  if (times.length === 0) return '';
  const servers = times.length === 1 ? '1 server' : `${times.length} servers`;
  return `${servers} within ${Math.max(...times) - Math.min(...times)} ms`;
}

function fromText({ source, sources }: RunLink): string {
  if (sources.length < 2) return sources[0]?.source ?? source;
  return sources.map((from) => `${from.source} ${formatBytes(from.bytes)}`).join(', ');
}

function copiesText({ copiesPermille, excess }: RunLink): string {
  const copies = (copiesPermille / 1000).toFixed(2);
  return excess ? `${copies} too many` : copies;
}

function linkTable(links: RunDetail['links']): string {
  return renderTable(
    [
      ['link into', ({ segment }) => segment],
      ['from', fromText],
      ['bytes', ({ bytes }) => formatBytes(bytes)],
      ['copies', copiesText],
      ['saved', ({ saved }) => formatBytes(saved)],
      ['time', ({ durationMs }) => formatDuration(durationMs)],
    ],
    links,
    'nothing was sent over WAN links',
  );
}
