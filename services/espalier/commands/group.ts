import { create, type JsonObject, type MessageInitShape, toJson } from '@bufbuild/protobuf';
import type { Command } from 'commander';
import {
  CreateGroupSchema,
  DomainError,
  EditGroupSchema,
  type MembershipSchema,
} from '#libs/contracts/index.js';
import { clientOf, print, withClientOptions } from './context.js';
import { windowOf } from './job.js';

interface MembershipOptions {
  readonly all?: boolean;
  readonly node?: readonly string[];
  readonly selector?: string;
}

interface WindowOptions {
  readonly window?: readonly string[];
  readonly windows?: boolean;
}

export class AmbiguousMembership extends DomainError {
  override readonly name = 'AmbiguousMembership';
}

/** `espalier group create|edit|delete`. */
export function groupCommand(program: Command): void {
  const group = program.command('group').description('content groups: who receives a site');
  withMembership(
    group
      .command('create')
      .description('choose the servers that receive a site')
      .argument('<name>')
      .requiredOption('--site <site>', 'the site they receive'),
  ).action(async (name, options) => {
    const membership = membershipOf(options);
    const command = create(CreateGroupSchema, { group: name, site: options.site, membership });
    const made = toJson(CreateGroupSchema, command) as JsonObject;
    const body = { ...made, ...maintenanceOf(options) };
    await clientOf(options).send('POST', '/api/v1/groups', body);
    print(say(options.output, name, `group ${name} receives ${options.site}`));
  });
  withMembership(
    group.command('edit').description('choose other servers').argument('<name>'),
  ).action(async (name, options) => {
    const command = create(EditGroupSchema, { membership: membershipOf(options) });
    const path = `/api/v1/groups/${encodeURIComponent(name)}`;
    const edited = toJson(EditGroupSchema, command) as JsonObject;
    await clientOf(options).send('PATCH', path, { ...edited, ...maintenanceOf(options) });
    print(say(options.output, name, `group ${name} is changed`));
  });
  withClientOptions(
    group
      .command('delete')
      .description('delete a group; servers keep their content')
      .argument('<name>'),
  ).action(async (name, options) => {
    await clientOf(options).send('DELETE', `/api/v1/groups/${encodeURIComponent(name)}`);
    print(say(options.output, name, `group ${name} is deleted`));
  });
}

function withMembership(command: Command): Command {
  return withClientOptions(
    command
      .option('--all', 'every registered server')
      .option('--node <name...>', 'these servers')
      .option('--selector <expr>', "servers by label, e.g. 'location=paris,tier!=test'")
      .option('--window <window...>', 'change servers only in "CRON / DURATION [/ ZONE]"')
      .option('--no-windows', 'change servers at any time'),
  );
}

function membershipOf(options: MembershipOptions): MessageInitShape<typeof MembershipSchema> {
  const given = [options.all, options.node, options.selector].filter(Boolean);
  if (given.length !== 1) {
    throw new AmbiguousMembership(
      'a group needs exactly one of --all, --node and --selector',
      'espalier group create --help shows them',
    );
  }
  if (options.node) {
    return { membership: { case: 'nodes', value: { nodes: [...options.node] } } };
  }
  if (options.selector) return { membership: { case: 'selector', value: options.selector } };
  return { membership: { case: 'all', value: true } };
}

/** Nothing: as it was. */
function maintenanceOf({ window, windows }: WindowOptions): JsonObject {
  if (windows === false) return { maintenance: {} };
  return window ? { maintenance: { windows: window.map(windowOf) } } : {};
}

function say(output: string, name: string, text: string): string {
  return output === 'json' ? JSON.stringify({ group: name }) : text;
}
