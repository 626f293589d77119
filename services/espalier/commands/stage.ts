import { resolve } from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { type Pushed, pushTree } from '#libs/content-store/adapters/push-tree.js';
import { treeDigest } from '#libs/content-store/manifest.js';
import { DomainError, PublishResultSchema, SiteListSchema } from '#libs/contracts/index.js';
import { scanTree } from '#libs/delta/adapters/scan-tree.js';
import { watchTree } from '#libs/delta/adapters/watch-tree.js';
import { pushedStaging } from '#libs/delta/pushed.js';
import type { ScanCache } from '#libs/delta/scan.js';
import { defaultWatchTimings } from '#libs/delta/watch.js';
import { ApiClient } from '../client/api-client.js';
import { exitCodeOfRun } from '../exit-codes.js';
import { formatBytes } from '../output/units.js';
import {
  type CommonOptions,
  print,
  printJson,
  tell,
  wholeNumber,
  withClientOptions,
} from './context.js';
import { publishResult, requestRun, watchRun } from './publish.js';
import {
  type StagingTokenOptions,
  stageServeCommand,
  stagingTokenOf,
  withStagingToken,
} from './stage-serve.js';

export class SiteNotPushed extends DomainError {
  override readonly name = 'SiteNotPushed';
}

interface StageOptions extends CommonOptions, StagingTokenOptions {
  readonly publish?: true;
  readonly watch?: true;
  readonly rescan: number;
  readonly timeout: number;
}

/** `espalier stage`: content from staging servers. */
export function stageCommand(program: Command): void {
  const stage = program.command('stage').description('content from staging servers');
  stageServeCommand(stage);
  pushCommand(stage);
}

function pushCommand(stage: Command): void {
  withClientOptions(
    withStagingToken(stage.command('push'))
      .description('bring a directory of this host to the control plane; only what is new there')
      .argument('<site>')
      .argument('<dir>')
      .option('--publish', 'and then publish it')
      .option('--watch', 'stay, and bring it again whenever it has changed')
      .option('--rescan <seconds>', 'when watching: look that often in any case', wholeNumber, 600)
      .option('--timeout <seconds>', 'stop waiting for the run after so long', wholeNumber, 3_600),
  ).action(async (site: string, directory: string, options: StageOptions) => {
    const push = pusher(site, resolve(directory), options);
    await push();
    if (options.watch) await watching(resolve(directory), push, options.rescan * 1_000);
  });
}

/** Brings the tree; what an earlier call read is not read again. */
function pusher(site: string, directory: string, options: StageOptions): () => Promise<void> {
  const client = new ApiClient(options.url, 'stage push', stagingTokenOf(options));
  let previous: ScanCache | undefined;
  let last = '';
  return async () => {
    const { sites } = await client.get('/api/v1/sites', SiteListSchema);
    const rules = rulesOf(site, sites);
    const { root, manifest, cache } = await scanTree(directory, { rules, previous });
    previous = cache;
    if (treeDigest(manifest) === last) return;
    const pushed = await pushTree({ site, root, manifest }, client.sendBytes);
    last = pushed.treeDigest;
    if (options.publish) await publishPushed(client, site, pushed, options);
    else if (options.output === 'json') print(JSON.stringify({ site, ...pushed }));
    else print(`${pushed.files} files of ${site} are ready to publish; ${sentOf(pushed)}`);
  };
}

async function publishPushed(
  client: ApiClient,
  site: string,
  pushed: Pushed,
  options: StageOptions,
): Promise<void> {
  tell(sentOf(pushed));
  const { runId, sequence } = await requestRun(client, site, false);
  const detail = await watchRun(client, runId, sequence, options.timeout * 1_000);
  if (options.output === 'json') printJson(PublishResultSchema, publishResult(detail));
  else print(`${detail.run?.status}: ${detail.run?.nodesSwitched} servers switched`);
  process.exitCode = exitCodeOfRun(detail.run?.status ?? '');
}

function sentOf({ files, treeBytes, sentFiles, sentBytes }: Pushed): string {
  const sent = `${sentFiles} of ${files} files sent`;
  return `${sent} (${formatBytes(sentBytes)} of ${formatBytes(treeBytes)})`;
}

/** Until the process ends. A push that fails is told, and tried again at the next look. */
function watching(directory: string, push: () => Promise<void>, rescanMs: number): Promise<never> {
  const look = () => push().catch((error: unknown) => tell(String(error)));
  watchTree(directory, look, systemClock, { ...defaultWatchTimings, rescanMs });
  return new Promise(() => {});
}

interface KnownSite {
  readonly name: string;
  readonly staging: string;
  readonly filters: readonly string[];
}

/** The site's filters, `+ pattern` and `- pattern`. @throws SiteNotPushed */
function rulesOf(site: string, sites: readonly KnownSite[]) {
  const known = sites.find(({ name }) => name === site);
  if (known?.staging !== pushedStaging) {
    throw new SiteNotPushed(
      known ? `${site} publishes ${known.staging}, not what is pushed` : `there is no site ${site}`,
      `make one with espalier site create NAME --pushed`,
    );
  }
  return known.filters.map((rule) => ({
    include: rule.startsWith('+'),
    pattern: rule.slice(2),
  }));
}
