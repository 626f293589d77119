import { resolve } from 'node:path';
import type { Command } from 'commander';
import { pushTree } from '#libs/content-store/adapters/push-tree.js';
import { DomainError, PublishResultSchema, SiteListSchema } from '#libs/contracts/index.js';
import { scanTree } from '#libs/delta/adapters/scan-tree.js';
import { pushedStaging } from '#libs/delta/pushed.js';
import { exitCodeOfRun } from '../exit-codes.js';
import { formatBytes } from '../output/units.js';
import { clientOf, print, printJson, tell, wholeNumber, withClientOptions } from './context.js';
import { publishResult, requestRun, watchRun } from './publish.js';

export class SiteNotPushed extends DomainError {
  override readonly name = 'SiteNotPushed';
}

/** `espalier stage push`: content from a staging server. */
export function stageCommand(program: Command): void {
  const stage = program.command('stage').description('content from staging servers');
  withClientOptions(
    stage
      .command('push')
      .description('bring a directory of this host to the control plane; only what is new there')
      .argument('<site>')
      .argument('<dir>')
      .option('--publish', 'and then publish it')
      .option('--timeout <seconds>', 'stop waiting for the run after so long', wholeNumber, 3_600),
  ).action(async (site, directory, options) => {
    const client = clientOf(options);
    const { sites } = await client.get('/api/v1/sites', SiteListSchema);
    const rules = rulesOf(site, sites);
    const { root, manifest } = await scanTree(resolve(directory), { rules });
    const pushed = await pushTree({ site, root, manifest }, client.sendBytes);
    const { files, treeBytes, sentFiles, sentBytes } = pushed;
    if (!options.publish) {
      if (options.output === 'json') print(JSON.stringify({ site, ...pushed }));
      else
        print(
          `${files} files (${formatBytes(treeBytes)}) of ${site} are ready to publish; ` +
            `${sentFiles} were new there (${formatBytes(sentBytes)})`,
        );
      return;
    }
    tell(`${sentFiles} of ${files} files sent (${formatBytes(sentBytes)})`);
    const { runId, sequence } = await requestRun(client, site, false);
    const detail = await watchRun(client, runId, sequence, options.timeout * 1_000);
    if (options.output === 'json') printJson(PublishResultSchema, publishResult(detail));
    else print(`${detail.run?.status}: ${detail.run?.nodesSwitched} servers switched`);
    process.exitCode = exitCodeOfRun(detail.run?.status ?? '');
  });
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
