import { resolve } from 'node:path';
import { create, type JsonObject, toJson } from '@bufbuild/protobuf';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { deltaLevels } from '#libs/assignment/encoding-policy.js';
import { CreateSiteSchema } from '#libs/contracts/index.js';
import { nameClashPolicies } from '#libs/delta/names.js';
import { pushedStaging } from '#libs/delta/pushed.js';
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
      new Option('--name-clashes <policy>', 'names that differ by case or normalisation only')
        .choices(nameClashPolicies)
        .default('allow'),
    )
    .option('--never-compress <ext...>', 'file types that are compressed already (.zip)');
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
  withContentOptions(
    withCommitOptions(
      withClientOptions(
        site
          .command('create')
          .description('make a site of a staging directory')
          .argument('<name>', 'lower-case letters, digits and hyphens')
          .option(
            '--staging <dir>',
            'where finished content is put, on the host of the control plane',
          )
          .option('--pushed', 'content comes from staging servers, by espalier stage push')
          .option('--encrypt', 'encrypt assignments for the servers they are for')
          .option(
            '--include <glob>',
            'take what matches (rsync pattern; first match wins)',
            rule(true),
          )
          .option('--exclude <glob>', 'leave out what matches', rule(false)),
      ),
    ),
  ).action(async (name, options) => {
    if ((options.staging === undefined) === (options.pushed === undefined)) {
      throw new InvalidArgumentError('give either --staging DIR or --pushed');
    }
    const command = create(CreateSiteSchema, {
      site: name,
      staging: options.pushed ? pushedStaging : resolve(options.staging ?? ''),
      filters: rules,
    });
    const commit = commitPolicyOf(options);
    const keptCheckpoints = options.checkpoints;
    const { deltaLevel, nameClashes, neverCompress = [] } = options;
    const encryption = options.encrypt ? 'aes-256-gcm' : '';
    const policy = {
      ...{ deltaLevel, encryption, keptCheckpoints, nameClashes },
      neverCompress: neverCompress.map((type: string) => type.toLowerCase()),
      ...(commit && { commit }),
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
