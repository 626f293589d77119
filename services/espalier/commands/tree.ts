import { create, toJson } from '@bufbuild/protobuf';
import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  FixTreeSchema,
  LeaderOrder,
  ReleaseTreeSchema,
  TreeViewSchema,
} from '#libs/contracts/index.js';
import { renderTree } from '../output/tree.js';
import { clientOf, print, printJson, wholeNumber, withClientOptions } from './context.js';

const everySite = '*';
const orders = {
  cpu: LeaderOrder.CPU,
  distance: LeaderOrder.DISTANCE,
  reliability: LeaderOrder.RELIABILITY,
} as const;

/** `espalier tree show|set|auto`: who pulls from whom over the WAN. */
export function treeCommand(program: Command): void {
  const tree = program.command('tree').description('who pulls from whom over the WAN');
  const sub = (name: string, description: string) =>
    withClientOptions(
      tree
        .command(name)
        .description(description)
        .option('--site <name>', 'of one site (default: of every site without its own)', everySite),
    );
  sub('show', 'the order of leaders, their links, and the tree as it would be now')
    .option('--size-mb <n>', 'of what is to be distributed', wholeNumber, 100)
    .action(async (options) => {
      const sizeBytes = options.sizeMb * 1_000_000;
      const path = `${pathOf(options.site)}?sizeBytes=${sizeBytes}`;
      const view = await clientOf(options).get(path, TreeViewSchema);
      if (options.output === 'json') printJson(TreeViewSchema, view);
      else print(renderTree(view));
    });
  sub('set', 'fix the order of leaders, or from whom some of them pull')
    .option('--order <segments>', 'who comes first: a,b,c; the others follow')
    .option('--source <segment=source...>', 'a pulls from b: a=b; a=origin', collect, {})
    .action(async (options) => {
      const order = options.order ? String(options.order).split(',') : [];
      const command = create(FixTreeSchema, { order, sources: options.source });
      const body = toJson(FixTreeSchema, command);
      await clientOf(options).send('POST', `${pathOf(options.site)}/fix`, body);
      say(options, 'the tree is fixed; espalier tree show shows it');
    });
  sub('auto', 'let the planner decide again')
    .addOption(new Option('--by <what>', 'who comes first').choices(Object.keys(orders)))
    .action(async (options) => {
      const orderBy = orders[(options.by ?? 'cpu') as keyof typeof orders];
      const body = toJson(ReleaseTreeSchema, create(ReleaseTreeSchema, { orderBy }));
      await clientOf(options).send('POST', `${pathOf(options.site)}/release`, body);
      say(options, `the planner decides again, by ${options.by ?? 'cpu'}`);
    });
}

function pathOf(site: string): string {
  return `/api/v1/trees/${encodeURIComponent(site)}`;
}

function collect(text: string, before: Record<string, string>): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('give segment=source');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

function say({ output }: { readonly output: string }, text: string): void {
  print(output === 'json' ? JSON.stringify({ done: true }) : text);
}
