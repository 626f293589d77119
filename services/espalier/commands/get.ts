import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { Argument, type Command } from 'commander';
import {
  AssignmentListSchema,
  GroupListSchema,
  JobListSchema,
  JobType,
  NodeListSchema,
  RunListSchema,
  SegmentListSchema,
  SiteListSchema,
} from '#libs/contracts/index.js';
import { type Column, renderTable } from '../output/table.js';
import { formatBytes, formatDuration } from '../output/units.js';
import { clientOf, print, printJson, wholeNumber, withClientOptions } from './context.js';

/** How one kind of list is fetched and shown. */
interface Kind<Schema extends DescMessage, Row> {
  readonly schema: Schema;
  readonly rows: (list: MessageShape<Schema>) => readonly Row[];
  readonly columns: readonly Column<Row>[];
  readonly empty: string;
}

/** Lets each kind's columns be checked against its own rows. */
function kind<Schema extends DescMessage, Row>(definition: Kind<Schema, Row>) {
  return {
    schema: definition.schema as DescMessage,
    render: (list: unknown) => {
      const rows = definition.rows(list as MessageShape<Schema>);
      return renderTable(definition.columns, rows, definition.empty);
    },
  };
}

const kinds = {
  sites: kind({
    schema: SiteListSchema,
    rows: ({ sites }) => sites,
    columns: [
      ['name', ({ name }) => name],
      ['live', ({ liveSequence }) => (liveSequence ? `#${liveSequence}` : '-')],
      ['tree', ({ liveTreeDigest }) => liveTreeDigest.slice(0, 12) || '-'],
      ['staging', ({ staging }) => staging],
    ],
    empty: 'no sites yet; espalier site create NAME --staging DIR makes one',
  }),
  groups: kind({
    schema: GroupListSchema,
    rows: ({ groups }) => groups,
    columns: [
      ['name', ({ name }) => name],
      ['site', ({ site }) => site],
      ['servers', (group) => group.selector || group.nodes.join(' ') || 'all'],
    ],
    empty: 'no groups yet; espalier group create NAME --site SITE --all makes one',
  }),
  nodes: kind({
    schema: NodeListSchema,
    rows: ({ nodes }) => nodes,
    columns: [
      ['name', ({ name }) => name],
      ['segment', ({ segment }) => segment],
      ['status', ({ status }) => status],
      ['role', ({ leader }) => (leader ? 'leader' : 'member')],
      ['address', ({ address }) => address || '-'],
      ['live', ({ live }) => pairs(live, ' #')],
      ['labels', ({ labels }) => pairs(labels, '=')],
    ],
    empty: 'no servers yet; espalier agent --help shows how one joins',
  }),
  segments: kind({
    schema: SegmentListSchema,
    rows: ({ segments }) => segments,
    columns: [
      ['name', ({ name, displayName }) => (displayName ? `${name} (${displayName})` : name)],
      ['leader', ({ leader }) => leader || '-'],
      ['term', ({ term }) => String(term)],
      ['members', ({ members }) => String(members)],
      ['changed', ({ changedAt }) => changedAt],
      ['why', ({ reason }) => reason],
    ],
    empty: 'no segments yet; they appear with their first server',
  }),
  jobs: kind({
    schema: JobListSchema,
    rows: ({ jobs }) => jobs,
    columns: [
      ['name', ({ name, version }) => `${name} v${version}`],
      ['site', ({ spec }) => spec?.site ?? ''],
      ['type', ({ spec }) => jobTypeText(spec?.type)],
      ['status', ({ status }) => status],
      ['runs', ({ triggers }) => triggers.join('; ') || 'when told to'],
      ['next', ({ nextRuns }) => nextRuns[0] ?? '-'],
      ['last run', ({ lastRunId }) => lastRunId || '-'],
    ],
    empty: 'no jobs yet; espalier job create NAME --site SITE --cron "0 3 * * *" makes one',
  }),
  runs: kind({
    schema: RunListSchema,
    rows: ({ runs }) => runs,
    columns: [
      ['run', ({ runId }) => runId],
      ['site', ({ site }) => site],
      ['type', ({ type, dryRun }) => (dryRun ? `${type} (dry)` : type)],
      ['status', ({ status, phase }) => (phase ? `${status}: ${phase}` : status)],
      ['servers', (run) => `${run.nodesSwitched}/${run.nodesTotal}`],
      ['took', ({ durationMs }) => (durationMs ? formatDuration(durationMs) : '-')],
      ['requested', ({ requestedAt }) => requestedAt],
    ],
    empty: 'no runs yet; espalier publish SITE starts one',
  }),
  assignments: kind({
    schema: AssignmentListSchema,
    rows: ({ assignments }) => assignments,
    columns: [
      ['id', ({ id }) => id],
      ['type', ({ type }) => type],
      ['size', ({ bytes }) => formatBytes(bytes)],
      ['digest', ({ digest }) => digest.slice(0, 12)],
      ['run', ({ runId }) => runId],
      ['built', ({ builtAt }) => builtAt],
    ],
    empty: 'no assignments yet',
  }),
};

/** `espalier get KIND`. */
export function getCommand(program: Command): void {
  const choices = Object.keys(kinds);
  withClientOptions(
    program
      .command('get')
      .description('list what there is')
      .addArgument(new Argument('<kind>').choices(choices))
      .option('--limit <n>', 'at most so many', wholeNumber, 100),
  ).action(async (name: keyof typeof kinds, options) => {
    const { schema, render } = kinds[name];
    const list = await clientOf(options).get(`/api/v1/${name}?limit=${options.limit}`, schema);
    if (options.output === 'json') printJson(schema, list);
    else print(render(list));
  });
}

export function jobTypeText(type: JobType | undefined): string {
  return (JobType[type ?? 0] ?? '').toLowerCase().replaceAll('_', '-');
}

function pairs(map: Record<string, string>, separator: string): string {
  const texts = Object.entries(map).map(([key, value]) => `${key}${separator}${value}`);
  return texts.sort().join(' ') || '-';
}
