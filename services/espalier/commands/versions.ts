import { resolve } from 'node:path';
import type { Command } from 'commander';
import {
  CheckpointVerificationSchema,
  SiteDiffSchema,
  type SiteHistory,
  SiteHistorySchema,
  type VersionView,
} from '#libs/contracts/index.js';
import { exportTree } from '../audit/export-tree.js';
import type { ApiClient } from '../client/api-client.js';
import { exitCodes } from '../exit-codes.js';
import { renderTable } from '../output/table.js';
import { formatBytes } from '../output/units.js';
import {
  clientOf,
  contentTokenOf,
  print,
  printJson,
  withClientOptions,
  withContentToken,
} from './context.js';
import { runJob, withRunOptions } from './publish.js';

/** `espalier history` and `espalier checkpoint ...`. */
export function versionCommands(program: Command): void {
  withClientOptions(
    program
      .command('history')
      .description('what was live on a site, newest first, and its checkpoints')
      .argument('<site>'),
  ).action(async (site, options) => {
    const history = await historyOf(clientOf(options), site);
    if (options.output === 'json') printJson(SiteHistorySchema, history);
    else print(`${versionTable(history)}\n\n${checkpointTable(history)}`);
  });
  const checkpoint = program
    .command('checkpoint')
    .description('safe versions of a site to go back to');
  changingCommands(checkpoint);
  readingCommands(checkpoint);
}

/** `espalier site diff`. */
export function diffCommand(site: Command): void {
  withClientOptions(
    site
      .command('diff')
      .description('what makes one version of a site into another')
      .argument('<site>')
      .argument('<from>', 'a version, a checkpoint, or live')
      .argument('<to>', 'a version, a checkpoint, or live'),
  ).action(async (name, from, to, options) => {
    const path = `${sitePath(name)}/diff?${new URLSearchParams({ from, to })}`;
    const diff = await clientOf(options).get(path, SiteDiffSchema);
    if (options.output === 'json') return printJson(SiteDiffSchema, diff);
    const table = renderTable(
      [
        ['what', ({ kind }) => kind],
        ['path', ({ path, from }) => (from ? `${from} -> ${path}` : path)],
        ['size', ({ bytes }) => (bytes ? formatBytes(bytes) : '-')],
      ],
      diff.paths,
      'the two are the same',
    );
    print(diff.truncated ? `${table}\n... and more` : table);
  });
}

function changingCommands(checkpoint: Command): void {
  withRunOptions(
    checkpoint
      .command('create')
      .description('keep what is live now as a safe version')
      .argument('<site>')
      .argument('<name>', 'lower-case letters, digits and hyphens'),
  ).action((site, to, options) => runJob({ site, type: 'CREATE_CHECKPOINT', to }, options));
  withRunOptions(
    checkpoint
      .command('restore')
      .description('bring a checkpoint to all servers of the site')
      .argument('<site>')
      .argument('<name>'),
  ).action((site, to, options) => runJob({ site, type: 'RESTORE', to }, options));
  withClientOptions(
    checkpoint
      .command('pin')
      .description('never delete a checkpoint to make room for others')
      .argument('<site>')
      .argument('<name>')
      .option('--off', 'it may be deleted again'),
  ).action(async (site, name, options) => {
    const body = { pinned: !options.off };
    await clientOf(options).send('PATCH', checkpointPath(site, name), body);
    const state = options.off ? 'not pinned any more' : 'pinned';
    const text = `checkpoint ${name} of ${site} is ${state}`;
    print(options.output === 'json' ? JSON.stringify({ site, checkpoint: name }) : text);
  });
  withClientOptions(
    checkpoint
      .command('delete')
      .description('give a checkpoint up')
      .argument('<site>')
      .argument('<name>'),
  ).action(async (site, name, options) => {
    await clientOf(options).send('DELETE', checkpointPath(site, name));
    const text = `checkpoint ${name} of ${site} is deleted`;
    print(options.output === 'json' ? JSON.stringify({ site, checkpoint: name }) : text);
  });
}

function readingCommands(checkpoint: Command): void {
  withClientOptions(
    checkpoint.command('list').description('the checkpoints of a site').argument('<site>'),
  ).action(async (site, options) => {
    const history = await historyOf(clientOf(options), site);
    if (options.output === 'json') printJson(SiteHistorySchema, { ...history, versions: [] });
    else print(checkpointTable(history));
  });
  withClientOptions(
    checkpoint
      .command('verify')
      .description('read every byte of a checkpoint and say what is lost or damaged')
      .argument('<site>')
      .argument('<name>'),
  ).action(async (site, name, options) => {
    const path = `${checkpointPath(site, name)}/verification`;
    const verdict = await clientOf(options).post(path, CheckpointVerificationSchema);
    if (options.output === 'json') printJson(CheckpointVerificationSchema, verdict);
    else if (verdict.intact) {
      print(`intact: ${verdict.files} files, ${formatBytes(verdict.bytes)}`);
    } else print(verdict.problems.join('\n'));
    process.exitCode = verdict.intact ? exitCodes.done : exitCodes.error;
  });
  withClientOptions(
    withContentToken(checkpoint.command('export'))
      .description('write a checkpoint into a new directory')
      .argument('<site>')
      .argument('<name>')
      .argument('<directory>'),
  ).action(async (site, name, directory, options) => {
    const client = clientOf(options, contentTokenOf(options));
    const { checkpoints } = await historyOf(client, site);
    const found = checkpoints.find((each) => each.name === name);
    if (!found) throw new Error(`${site} has no checkpoint ${name}`);
    const files = await exportTree(client, found.manifestDigest, resolve(directory));
    const text = `${files} files of checkpoint ${name} are in ${directory}`;
    print(options.output === 'json' ? JSON.stringify({ files, directory }) : text);
  });
}

function historyOf(client: ApiClient, site: string): Promise<SiteHistory> {
  return client.get(`${sitePath(site)}/history`, SiteHistorySchema);
}

function sitePath(site: string): string {
  return `/api/v1/sites/${encodeURIComponent(site)}`;
}

function checkpointPath(site: string, name: string): string {
  return `${sitePath(site)}/checkpoints/${encodeURIComponent(name)}`;
}

function versionTable({ site, versions }: SiteHistory): string {
  return renderTable(
    [
      ['version', ({ sequence, live }) => `#${sequence}${live ? ' (live)' : ''}`],
      ['tree', ({ treeDigest }) => treeDigest.slice(0, 12)],
      ['live since', ({ liveSince }) => liveSince],
      ['by', ({ actor }) => actor],
      ['why', whyText],
      ['changes', changesText],
      ['run', ({ runId }) => runId],
    ],
    versions,
    `nothing was live on ${site} yet; espalier publish ${site} changes that`,
  );
}

function whyText({ type, trigger, reason, takenBack }: VersionView): string {
  if (takenBack) return 'its servers switched back';
  return [type, trigger, reason].filter(Boolean).join(', ');
}

function changesText({ changes, takenBack }: VersionView): string {
  if (!changes || takenBack) return '-';
  const { added, changed, deleted, renamed, metadata } = changes;
  const counts = [
    [added, 'new'],
    [changed, 'changed'],
    [deleted, 'deleted'],
    [renamed, 'renamed'],
    [metadata, 'mode or time'],
  ] as const;
  const told = counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  return told.join(', ') || 'nothing';
}

function checkpointTable({ site, checkpoints }: SiteHistory): string {
  return renderTable(
    [
      ['checkpoint', ({ name, pinned }) => (pinned ? `${name} (pinned)` : name)],
      ['version', ({ sequence }) => `#${sequence}`],
      ['tree', ({ treeDigest }) => treeDigest.slice(0, 12)],
      ['created', ({ createdAt }) => createdAt],
    ],
    checkpoints,
    `no checkpoints yet; espalier checkpoint create ${site} NAME makes one`,
  );
}
