import { resolve } from 'node:path';
import { create, type JsonObject, toJson } from '@bufbuild/protobuf';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { deltaLevels } from '#libs/assignment/encoding-policy.js';
import { bodyEncryption, CreateSiteSchema, HotPolicySchema } from '#libs/contracts/index.js';
import { nameClashPolicies } from '#libs/delta/names.js';
import { pushedStaging } from '#libs/delta/pushed.js';
import { servedStaging } from '#libs/delta/staged.js';
import { duration, size } from '../values.js';
import { commitPolicyOf, withCommitOptions } from './commit-options.js';
import { clientOf, print, wholeNumber, withClientOptions } from './context.js';
import { diffCommand } from './versions.js';

interface Rule {
  readonly include: boolean;
  readonly pattern: string;
}

/** How the site's content is kept, compared and compressed. */
function withContentOptions(command: Command): Command {
  return command
    .option('--checkpoints <n>', 'keep so many beside those that are pinned', wholeNumber, 0)
    .addOption(
      new Option('--delta-level <level>', 'how hard to work for fewer bytes')
        .choices(deltaLevels)
        .default('default'),
    )
    .addOption(
      new Option(
        '--name-clashes <policy>',
        'names that differ by case or normalisation only; portable: also reserved names',
      )
        .choices(nameClashPolicies)
        .default('allow'),
    )
    .option('--hook <name...>', "run these of each server's own list once a version is live")
    .option('--never-compress <ext...>', 'file types that are compressed already (.zip)')
    .option('--encrypt', 'encrypt assignments for the servers they are for')
    .option('--never-encrypt <ext...>', 'of these file types, content travels in clear (.jpg)')
    .option('--encrypt-only <ext...>', 'of all other file types, content travels in clear (.key)');
}

const fileTypes = (given: readonly string[] = []) => given.map((type) => type.toLowerCase());

interface HotOptions {
  readonly hotServers: number;
  readonly hotBytes: number;
  readonly hotTtl: number;
  readonly hotSelector?: string;
}

/** What `espalier hot` may do. */
function withHotOptions(command: Command): Command {
  return command
    .option('--hot-servers <n>', 'so many may have hot content at one time', wholeNumber, 0)
    .option('--hot-bytes <size>', 'one run may bring so much hot content (512MiB)', size, 0)
    .option('--hot-ttl <duration>', 'hot content is removed after so long (1h30m)', duration, 0)
    .option('--hot-selector <selector>', 'servers that may get it (tier=cache)');
}

function hotPolicyOf(options: HotOptions): JsonObject {
  const { hotServers: serverLimit, hotBytes, hotTtl, hotSelector: selector = '' } = options;
  const [byteLimit, timeToLiveMs] = [BigInt(hotBytes), BigInt(hotTtl)];
  const policy = create(HotPolicySchema, { serverLimit, byteLimit, timeToLiveMs, selector });
  return toJson(HotPolicySchema, policy) as JsonObject;
}

/** `espalier site create`. */
export function siteCommand(program: Command): void {
  const site = program.command('site').description('hosted sites: named content trees');
  diffCommand(site);
  // Includes and excludes are one list: the first that matches wins, so their order counts.
  const rules: Rule[] = [];
  const rule = (include: boolean) => (pattern: string) => {
    rules.push({ include, pattern });
    return pattern;
  };
  const sites = withContentOptions(
    withCommitOptions(
      withClientOptions(
        site
          .command('create')
          .description('make a site of a staging directory')
          .argument('<name>', 'lower-case letters, digits and hyphens')
          .option('--staging <dir>', "where finished content is put, on the control plane's host")
          .option('--pushed', 'content is brought by espalier stage push')
          .option(
            '--staging-server <name...>',
            'content is on other hosts (espalier stage serve): NAME, or NAME=PLACE in the site',
          )
          .option(
            '--include <glob>',
            'take what matches (rsync pattern; first match wins)',
            rule(true),
          )
          .option('--exclude <glob>', 'leave out what matches', rule(false)),
      ),
    ),
  );
  withHotOptions(sites).action(async (name, options) => {
    const command = create(CreateSiteSchema, {
      site: name,
      staging: stagingOf(options),
      filters: rules,
    });
    const commit = commitPolicyOf(options);
    const keptCheckpoints = options.checkpoints;
    const { deltaLevel, nameClashes, hook: hooks = [] } = options;
    const encryption = options.encrypt ? bodyEncryption : '';
    const policy = {
      ...{ deltaLevel, encryption, keptCheckpoints, nameClashes, hooks },
      neverCompress: fileTypes(options.neverCompress),
      neverEncrypt: fileTypes(options.neverEncrypt),
      encryptOnly: fileTypes(options.encryptOnly),
      ...(commit && { commit }),
      hot: hotPolicyOf(options),
    };
    const created = toJson(CreateSiteSchema, command) as JsonObject;
    const body = { ...created, policy };
    await clientOf(options).send('POST', '/api/v1/sites', body);
    print(
      options.output === 'json'
        ? JSON.stringify({ site: name })
        : `site ${name} publishes ${options.pushed ? 'what is pushed to it' : command.staging}`,
    );
  });
}

interface StagingOptions {
  readonly staging?: string;
  readonly pushed?: true;
  readonly stagingServer?: readonly string[];
}

/** @throws InvalidArgumentError */
function stagingOf({ staging, pushed, stagingServer }: StagingOptions): string {
  const given = [staging, pushed, stagingServer].filter((option) => option !== undefined);
  if (given.length !== 1) {
    throw new InvalidArgumentError('give one of --staging DIR, --pushed and --staging-server NAME');
  }
  if (stagingServer) return servedStaging(stagingServer);
  return pushed ? pushedStaging : resolve(staging ?? '');
}
