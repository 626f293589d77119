import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import {
  AuditedRunSchema,
  type AuditedState,
  AuditedStateSchema,
  AuditedTreeSchema,
  AuditVerdictSchema,
} from '#libs/contracts/index.js';
import { exportAudit, verifyArchive } from '../audit/archive.js';
import { exportTree } from '../audit/export-tree.js';
import { exitCodes } from '../exit-codes.js';
import { renderTable } from '../output/table.js';
import { formatDuration } from '../output/units.js';
import {
  clientOf,
  contentTokenOf,
  outputOption,
  print,
  printJson,
  tell,
  withClientOptions,
  withContentToken,
} from './context.js';
import { renderRun } from './describe.js';

/** `espalier audit replay|state|tree|verify|export|restore`. */
export function auditCommand(program: Command): void {
  const audit = program.command('audit').description('what happened, from the event log alone');
  replayCommand(audit);
  stateCommand(audit);
  treeCommand(audit);
  verifyCommand(audit);
  exportCommand(audit);
  restoreCommand(audit);
}

function replayCommand(audit: Command): void {
  withClientOptions(
    audit
      .command('replay')
      .description('rebuild a run from its events: each with its cause and its actor')
      .requiredOption('--run <id>'),
  ).action(async (options) => {
    const path = `/api/v1/audit/runs/${encodeURIComponent(options.run)}`;
    const audited = await clientOf(options).get(path, AuditedRunSchema);
    if (options.output === 'json') return printJson(AuditedRunSchema, audited);
    const { run, timeline } = audited;
    if (run) print(`${renderRun(run)}\n`);
    print(
      renderTable(
        [
          ['place', ({ sequence }) => String(sequence)],
          ['after', ({ afterMs }) => formatDuration(afterMs)],
          ['event', ({ type }) => type],
          ['of', ({ aggregate }) => aggregate],
          ['by', ({ actor }) => actor],
          ['because of', ({ cause }) => cause],
          ['reason', ({ reason }) => reason],
        ],
        timeline,
        'no events',
      ),
    );
  });
}

function stateCommand(audit: Command): void {
  withAt(
    audit.command('state').description('every site, group, node and run as it was at a moment'),
  ).action(async (options) => {
    const path = `/api/v1/audit/state?at=${encodeURIComponent(options.at ?? '')}`;
    const state = await clientOf(options).get(path, AuditedStateSchema);
    if (options.output === 'json') printJson(AuditedStateSchema, state);
    else print(renderState(state));
  });
}

function renderState({ sequence, time, sites, groups, nodes, runs }: AuditedState): string {
  return [
    sequence ? `after event ${sequence} at ${time}` : 'before the first event',
    renderTable(
      [
        ['site', ({ name }) => name],
        ['live', ({ liveSequence }) => (liveSequence ? `#${liveSequence}` : '-')],
        ['tree', ({ liveTreeDigest }) => liveTreeDigest.slice(0, 12) || '-'],
      ],
      sites?.sites ?? [],
      'no sites',
    ),
    renderTable(
      [
        ['group', ({ name }) => name],
        ['site', ({ site }) => site],
        ['servers', (group) => group.selector || group.nodes.join(' ') || 'all'],
      ],
      groups?.groups ?? [],
      'no groups',
    ),
    renderTable(
      [
        ['node', ({ name }) => name],
        ['segment', ({ segment }) => segment],
        ['status', ({ status }) => status],
        ['role', ({ leader }) => (leader ? 'leader' : 'member')],
      ],
      nodes?.nodes ?? [],
      'no nodes',
    ),
    renderTable(
      [
        ['run', ({ runId }) => runId],
        ['site', ({ site }) => site],
        ['status', ({ status }) => status],
      ],
      runs?.runs ?? [],
      'no runs',
    ),
  ].join('\n\n');
}

function treeCommand(audit: Command): void {
  withAt(
    withContentToken(audit.command('tree'))
      .description('which tree of a site was live at a moment')
      .argument('<site>')
      .option('--export <dir>', 'write its files into a new directory'),
  ).action(async (site, options) => {
    const client = clientOf(options, contentTokenOf(options));
    const path = `/api/v1/audit/tree/${encodeURIComponent(site)}`;
    const at = encodeURIComponent(options.at ?? '');
    const tree = await client.get(`${path}?at=${at}`, AuditedTreeSchema);
    if (options.output === 'json') printJson(AuditedTreeSchema, tree);
    else if (tree.sequence === 0n) print(`${site} served nothing yet`);
    else print(`${site} served #${tree.sequence} since ${tree.since}: tree ${tree.treeDigest}`);
    if (!options.export || tree.sequence === 0n) return;
    const files = await exportTree(client, tree.manifestDigest, options.export);
    process.stderr.write(`${files} files written to ${options.export}\n`);
  });
}

function verifyCommand(audit: Command): void {
  withClientOptions(
    audit
      .command('verify')
      .description('compare the log with its second copy, hashes and signatures; or an archive')
      .argument('[file]', 'an archive of audit export: verified without a control plane'),
  ).action(async (file, options) => {
    const verdict = file
      ? await verifyArchive(file)
      : await clientOf(options).post('/api/v1/audit/verify', AuditVerdictSchema);
    if (options.output === 'json') printJson(AuditVerdictSchema, verdict);
    else if (verdict.sound) {
      print(`sound: ${verdict.events} events, head ${verdict.headSequence} ${verdict.headHash}`);
      print(`signed by key ${verdict.keyId}`);
    } else print(`NOT SOUND at event ${verdict.firstBadSequence}: ${verdict.problem}`);
    if (!verdict.sound) process.exitCode = exitCodes.error;
  });
}

function exportCommand(audit: Command): void {
  withClientOptions(
    audit
      .command('export')
      .description('write the whole log into one signed file that audit verify FILE checks')
      .argument('<file>'),
  ).action(async (file, options) => {
    const { events, publicKey } = await exportAudit(clientOf(options), file);
    if (options.output === 'json') print(JSON.stringify({ file, events, publicKey }));
    else print(`${events} events in ${file}, signed by key ${publicKey}`);
  });
}

function restoreCommand(audit: Command): void {
  audit
    .command('restore')
    .description('bring a damaged log back from its second copy; while no service runs')
    .option('--data-dir <dir>', 'of the control plane that is down', 'espalier-data')
    .option('--replace', 'write the whole log anew where its end is not all that is missing')
    .option('--dry-run', 'only say what would be done')
    .addOption(outputOption())
    .action(async ({ dataDir, replace = false, dryRun = false, output }) => {
      // Loaded here, so that the other commands start quickly.
      const { restoreOwnLog } = await import('../audit/restore.js');
      const restored = await restoreOwnLog(resolve(dataDir), { replace, dryRun }, tell);
      if (output === 'json') return print(JSON.stringify(restored));
      const { kind, last, head, firstBad, problem, others, written, keptIn } = restored;
      print(`the log has ${last} events, its second copy ${head}`);
      if (kind === 'sound') return print('nothing is missing');
      print(`event ${firstBad}: ${problem}; to mend: ${kind}, ${others} events put aside`);
      print(dryRun ? 'nothing was changed' : `${written} events written`);
      if (keptIn) print(`what the log had instead is in ${join(dataDir, keptIn)}`);
    });
}

function withAt(command: Command): Command {
  return withClientOptions(
    command.option('--at <time|sequence>', 'RFC 3339 time or place in the log; default: now'),
  );
}
