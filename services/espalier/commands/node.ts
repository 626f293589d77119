import { create, toJson } from '@bufbuild/protobuf';
import type { Command } from 'commander';
import { RemoveNodeSchema } from '#libs/contracts/index.js';
import { clientOf, print, withClientOptions } from './context.js';

const afterRemoval = `
The server keeps what it serves and receives nothing more. Its key is refused from now on; a
server that was set up anew, with a new key, enrols by the same name. Where it may have been stolen,
replace keys/join-token too.`;

/** `espalier node remove`. */
export function nodeCommand(program: Command): void {
  const node = program.command('node').description('the servers of the fleet');
  withClientOptions(
    node
      .command('remove')
      .description('take a server that has left for good out of the fleet')
      .argument('<name>')
      .option('--reason <text>', 'kept in the log', '')
      .addHelpText('after', afterRemoval),
  ).action(async (name, options) => {
    const command = create(RemoveNodeSchema, { reason: options.reason });
    const path = `/api/v1/nodes/${encodeURIComponent(name)}/remove`;
    await clientOf(options).send('POST', path, toJson(RemoveNodeSchema, command));
    const isJson = options.output === 'json';
    print(isJson ? JSON.stringify({ node: name }) : `server ${name} is removed`);
  });
}
