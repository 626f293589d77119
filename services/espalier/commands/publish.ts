import { create, fromJson, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import type { Command } from 'commander';
import {
  type JobType,
  type PublishResult,
  PublishResultSchema,
  type RunDetail,
  RunDetailSchema,
  type TreeView,
  TreeViewSchema,
} from '#libs/contracts/index.js';
import type { ApiClient, FeedEvent } from '../client/api-client.js';
import { exitCodeOfRun, WaitTimedOut } from '../exit-codes.js';
import { renderForecast } from '../output/forecast.js';
import { RunProgressBar } from '../output/run-progress.js';
import { formatBytes, formatDuration } from '../output/units.js';
import { type CommitOptions, commitPolicyOf, withCommitOptions } from './commit-options.js';
import {
  type CommonOptions,
  clientOf,
  print,
  printJson,
  wholeNumber,
  withClientOptions,
} from './context.js';
import {
  conflictOption,
  type PolicyOptions,
  policiesOf,
  withPolicyOptions,
} from './policy-options.js';

/** `espalier publish SITE`. */
export function publishCommand(program: Command): void {
  const publish = withCommitOptions(
    withRunOptions(
      program
        .command('publish')
        .description('bring the changes of a staging directory to every server of the site')
        .argument('<site>')
        .option('--dry-run', 'only say what would change'),
    ),
  );
  withPolicyOptions(publish).action((site, options) => runJob({ site, type: 'PUBLISH' }, options));
}

/** What is asked for; the rest of `RequestRun` is in the options. */
export interface Job {
  readonly site: string;
  readonly type: keyof typeof JobType;
  readonly to?: string;
  readonly paths?: readonly string[];
  readonly nodes?: readonly string[];
  readonly serverCount?: number;
  readonly timeToLiveMs?: number | undefined;
}

/** Adds the options of every command that starts a run. */
export function withRunOptions(command: Command): Command {
  return withClientOptions(
    command
      .option('--wait', 'until every server has switched, and say how it went')
      .option('--timeout <seconds>', 'stop waiting after so long', wholeNumber, 3_600)
      .addOption(conflictOption()),
  );
}

/** Requests a run and, if it shall, waits for its end; the exit code says how it went. */
export async function runJob(
  job: Job,
  options: CommonOptions & RunOptions & CommitOptions & PolicyOptions,
): Promise<void> {
  const client = clientOf(options);
  const { type, timeToLiveMs, ...rest } = job;
  const commit = commitPolicyOf(options);
  const dryRun = options.dryRun ?? false;
  const policies = policiesOf(options);
  const terms = { ...(policies && { policies }), ...(timeToLiveMs && { timeToLiveMs }) };
  const body = {
    ...{ ...rest, type: `JOB_TYPE_${type}`, dryRun },
    ...(commit && { commit }),
    ...(Object.keys(terms).length > 0 && { terms }),
  };
  await tellRun(client, await sendRun(client, body as unknown as JsonObject), options);
}

async function tellRun(
  client: ApiClient,
  { runId, sequence }: { readonly runId: string; readonly sequence: string },
  options: CommonOptions & RunOptions,
): Promise<void> {
  if (!options.wait && !options.dryRun) {
    if (options.output === 'json') print(JSON.stringify({ runId }));
    else print(`run ${runId} is on its way; espalier describe run ${runId} tells how it stands`);
    return;
  }
  const detail = await watchRun(client, runId, sequence, options.timeout * 1_000);
  const isForecast = detail.run?.dryRun && Number(detail.changes?.changedBytes ?? 0) > 0;
  const tree = isForecast ? await predictedTree(client, detail) : undefined;
  if (options.output === 'json') printJson(PublishResultSchema, publishResult(detail, tree));
  else print([summaryOf(detail), ...(tree ? ['', renderForecast(tree)] : [])].join('\n'));
  process.exitCode = exitCodeOfRun(detail.run?.status ?? '');
}

/** How what is new would travel; its size is that before compression. */
async function predictedTree(client: ApiClient, detail: RunDetail): Promise<TreeView> {
  const { run, changes, nodes } = detail;
  const segments = [...new Set(nodes.map(({ segment }) => segment))];
  const query = { sizeBytes: String(changes?.changedBytes ?? 0), segments };
  const path = `/api/v1/trees/${encodeURIComponent(run?.site ?? '')}/predict`;
  const view = await client.send<JsonValue>('POST', path, query);
  return fromJson(TreeViewSchema, view, { ignoreUnknownFields: true });
}

interface RunOptions {
  readonly wait?: boolean;
  readonly timeout: number;
  readonly dryRun?: boolean;
}

export function requestRun(client: ApiClient, site: string, dryRun: boolean) {
  return sendRun(client, { site, type: 'JOB_TYPE_PUBLISH', dryRun });
}

/** Lets a job run now and, if it shall, waits for the end of its run. */
export async function sendTrigger(
  path: string,
  body: JsonObject,
  options: CommonOptions & RunOptions,
): Promise<void> {
  const client = clientOf(options);
  const started = await client.send<{ runId: string; sequence: string }>('POST', path, body);
  await tellRun(client, started, options);
}

function sendRun(client: ApiClient, body: JsonObject) {
  return client.send<{ runId: string; sequence: string }>('POST', '/api/v1/runs', body);
}

const endings = [
  'RunCompleted',
  'RunPartiallyCompleted',
  'RunFailed',
  'RunAborted',
  'RunCancelled',
  'RolloutEnded',
];

/** Follows a run to its end. @throws WaitTimedOut */
export async function waitForRun(
  client: ApiClient,
  runId: string,
  sequence: string,
  timeoutMs: number,
  show: (event: FeedEvent) => void,
): Promise<RunDetail> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const after = String(Math.max(0, Number(sequence) - 2));
  try {
    for await (const event of client.events({ run: runId, after, follow: 'true' }, timeout)) {
      show(event);
      const type = event.type.slice(event.type.lastIndexOf('.') + 1);
      if (!endings.includes(type) || (event.data as JsonObject).runId !== runId) continue;
      return await client.get(
        `/api/v1/runs/${runId}?atSequence=${event.sequence}`,
        RunDetailSchema,
      );
    }
    throw new Error(`the events of run ${runId} ended before the run did`);
  } catch (error) {
    if (!timeout.aborted) throw error;
    throw new WaitTimedOut(`run ${runId} has not ended in ${timeoutMs / 1_000} s; it goes on`);
  }
}

/** `waitForRun` with its progress on stderr. */
export async function watchRun(
  client: ApiClient,
  runId: string,
  sequence: string,
  timeoutMs: number,
): Promise<RunDetail> {
  const progress = new RunProgressBar();
  try {
    return await waitForRun(client, runId, sequence, timeoutMs, (event) => progress.show(event));
  } finally {
    progress.stop();
  }
}

/** The stable JSON of `publish --wait -o json`. */
export function publishResult(detail: RunDetail, tree?: TreeView): PublishResult {
  const { run, assignments, nodes, bytes, changes } = detail;
  return create(PublishResultSchema, {
    runId: run?.runId ?? '',
    status: run?.status ?? '',
    reason: run?.reason ?? '',
    durationMs: run?.durationMs ?? 0,
    assignments: assignments.map(({ id, sequence, bytes }) => ({ id, sequence, bytes })),
    nodes: nodes.map(({ node, segment, status }) => ({ node, segment, status })),
    ...(bytes ? { bytes } : {}),
    ...(changes ? { changes } : {}),
    ...(tree ? { tree } : {}),
  });
}

function summaryOf({ run, changes, bytes }: RunDetail): string {
  const took = formatDuration(run?.durationMs ?? 0);
  const what = changes
    ? `${changes.added} new, ${changes.changed} changed, ${changes.deleted} deleted, ` +
      `${changes.renamed} renamed, ${changes.metadata} mode or time only`
    : '';
  if (run?.dryRun)
    return `dry run: ${what}; ${formatBytes(changes?.changedBytes ?? 0)} would be new`;
  if (run?.nothingChanged) return `nothing changed in ${run.site}; every server keeps what it has`;
  const servers = `${run?.nodesSwitched} of ${run?.nodesTotal} servers switched in ${took}`;
  const sent = `${formatBytes(bytes?.wan ?? 0)} over WAN links`;
  const lines = [`${run?.status}: ${servers} (${what}; ${sent})`];
  if (run?.reason) lines.push(run.reason);
  return lines.join('\n');
}
