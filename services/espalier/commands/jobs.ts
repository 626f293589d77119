import type { Command } from 'commander';
import { DomainError } from '#libs/contracts/index.js';
import { duration } from '../values.js';
import { withCommitOptions } from './commit-options.js';
import { clientOf, print, wholeNumber, withClientOptions } from './context.js';
import { runJob, withRunOptions } from './publish.js';

export class AmbiguousRemoval extends DomainError {
  override readonly name = 'AmbiguousRemoval';
}

/** What the gateway answers; with the run that takes back one that was committed already. */
interface Aborted {
  readonly rollbackRunId?: string;
}

/** Commands that start runs other than a publish, and those that change a run under way. */
export function jobCommands(program: Command): void {
  repairCommands(program);
  rollbackCommand(program);
  removeCommand(program);
  hotCommand(program);
  runCommands(program);
}

function repairCommands(program: Command): void {
  withRunOptions(
    program
      .command('sync')
      .description('bring servers that missed a run to what is live, from what they have')
      .argument('<site>')
      .option('--node <name...>', 'only these servers'),
  ).action((site, options) => {
    return runJob({ site, type: 'SYNCHRONIZE', nodes: options.node ?? [] }, options);
  });
  withRunOptions(
    program
      .command('replicate')
      .description('bring what is live to servers whole, as if they had nothing')
      .argument('<site>')
      .option('--node <name...>', 'only these servers'),
  ).action((site, options) => {
    return runJob({ site, type: 'REPLICATE', nodes: options.node ?? [] }, options);
  });
}

function rollbackCommand(program: Command): void {
  withCommitOptions(
    withRunOptions(
      program
        .command('rollback')
        .description('go back to the version before the live one, on all servers together')
        .argument('<site>')
        .option('--to <version>', 'to the version with this number (espalier history SITE)'),
    ),
  ).action((site, options) => {
    return runJob({ site, type: 'ROLLBACK', to: options.to ?? '' }, options);
  });
}

function removeCommand(program: Command): void {
  withRunOptions(
    program
      .command('remove')
      .description('remove files and directories from all servers of a site')
      .argument('<site>')
      .argument('[path...]', 'relative to the root of the site')
      .option('--all', 'everything the site has')
      .option('--node <name...>', 'only from these servers, which no group of the site selects'),
  ).action((site, paths: string[], options) => {
    if ((options.all ?? false) === paths.length > 0) {
      throw new AmbiguousRemoval('name either paths or --all', 'espalier remove --help');
    }
    return runJob({ site, type: 'REMOVE', paths, nodes: options.node ?? [] }, options);
  });
}

function hotCommand(program: Command): void {
  withRunOptions(
    program
      .command('hot')
      .description('bring much wanted files to servers that do not receive the site')
      .argument('<site>')
      .argument('<path...>', 'relative to the root of the site')
      .option('--servers <n>', 'how many servers, whichever', wholeNumber, 0)
      .option('--node <name...>', 'these servers')
      .option(
        '--ttl <duration>',
        "remove it after so long (1h30m); otherwise as the site's",
        duration,
      ),
  ).action((site, paths: string[], options) => {
    const { node: nodes = [], servers: serverCount, ttl: timeToLiveMs } = options;
    return runJob({ site, type: 'HOT', paths, nodes, serverCount, timeToLiveMs }, options);
  });
}

function runCommands(program: Command): void {
  withClientOptions(
    program
      .command('abort')
      .description('end a run before its commit: no server switches; afterwards take it back')
      .argument('<run>')
      .option('--reason <text>', 'why', ''),
  ).action(async (run, options) => {
    const path = `/api/v1/runs/${encodeURIComponent(run)}/abort`;
    const client = clientOf(options);
    const { rollbackRunId } = await client.send<Aborted>('POST', path, { reason: options.reason });
    const said = rollbackRunId
      ? `run ${run} was committed already: run ${rollbackRunId} takes it back`
      : `run ${run} is aborted`;
    print(options.output === 'json' ? JSON.stringify({ runId: run, rollbackRunId }) : said);
  });
  withClientOptions(
    program
      .command('go-live')
      .description('let a run that waits for it (--go-live manual) go live')
      .argument('<run>'),
  ).action(async (run, options) => {
    const path = `/api/v1/runs/${encodeURIComponent(run)}/go-live`;
    await clientOf(options).send('POST', path, {});
    print(options.output === 'json' ? JSON.stringify({ runId: run }) : `run ${run} goes live`);
  });
}
