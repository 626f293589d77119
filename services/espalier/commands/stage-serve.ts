import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { startStagingServer } from '#services/agent/staging.js';
import { defaultUrl, tell } from './context.js';

export interface StagingTokenOptions {
  readonly token?: string;
  readonly tokenFile?: string;
}

/** What admits uploads. */
export function withStagingToken(command: Command): Command {
  return command
    .option('--token-file <file>', 'the staging token (or ESPALIER_STAGING_TOKEN)')
    .addOption(new Option('--token <token>').env('ESPALIER_STAGING_TOKEN').hideHelp())
    .addHelpText('after', '\nThe control plane keeps its token in <data-dir>/keys/staging-token.');
}

export function stagingTokenOf({ token, tokenFile }: StagingTokenOptions): string {
  return (tokenFile ? readFileSync(tokenFile, 'utf8').trim() : token) ?? '';
}

interface ServeOptions extends StagingTokenOptions {
  readonly name: string;
  readonly url: string;
  readonly controlCa?: string;
}

/** `espalier stage serve`: runs find content on this host. */
export function stageServeCommand(stage: Command): void {
  withStagingToken(stage.command('serve'))
    .description('wait for runs; each scans the directory here and takes what is new')
    .argument('<site=dir...>', 'directories that sites with --staging-server may ask for')
    .option('--name <name>', 'of this staging server', hostname())
    .addOption(new Option('--url <url>', 'control plane').env('ESPALIER_URL').default(defaultUrl))
    .option('--control-ca <file>', "who signed the gateway's certificate (tls-authority.pem)")
    .addHelpText('after', 'An agent has the same role with --staging SITE=DIR.')
    .action(async (sites: string[], options: ServeOptions) => {
      const { name, url, controlCa } = options;
      startStagingServer({
        server: name,
        directories: Object.fromEntries(sites.map(directoryOf)),
        controlUrl: url.replace(/\/+$/, ''),
        ...(controlCa ? { controlCa: readFileSync(controlCa, 'utf8') } : {}),
        token: stagingTokenOf(options),
        log: tell,
      });
      await new Promise(() => {});
    });
}

function directoryOf(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at <= 0) throw new InvalidArgumentError(`${text} is not SITE=DIR`);
  return [text.slice(0, at), resolve(text.slice(at + 1))];
}
