import { create, toJson } from '@bufbuild/protobuf';
import type { Command } from 'commander';
import {
  LocateSegmentSchema,
  RenameSegmentSchema,
  RotateSegmentKeySchema,
} from '#libs/contracts/index.js';
import { clientOf, print, wholeNumber, withClientOptions } from './context.js';

/** `espalier segment rotate-key|rename|set-location`. */
export function segmentCommand(program: Command): void {
  const segment = program.command('segment').description('the LANs that servers are on');
  withClientOptions(
    segment
      .command('rotate-key')
      .description('give a segment its next key; both keys are heard for a while')
      .argument('<name>')
      .option('--notice <seconds>', 'announce it so long before it is used', wholeNumber, 120),
  ).action(async (name, options) => {
    const command = create(RotateSegmentKeySchema, { noticeMs: BigInt(options.notice * 1_000) });
    const path = `${pathOf(name)}/rotate-key`;
    const rotated = await clientOf(options).send<{ epoch: number; useFrom: string }>(
      'POST',
      path,
      toJson(RotateSegmentKeySchema, command),
    );
    print(
      options.output === 'json'
        ? JSON.stringify(rotated)
        : `segment ${name} uses its key of epoch ${rotated.epoch} from ${rotated.useFrom}`,
    );
  });
  withClientOptions(
    segment
      .command('rename')
      .description('call a segment by another name; its agents keep the one they were told')
      .argument('<segment>')
      .argument('<name>', 'empty: its own name again'),
  ).action(async (called, name, options) => {
    const body = toJson(RenameSegmentSchema, create(RenameSegmentSchema, { name }));
    await clientOf(options).send('POST', `${pathOf(called)}/rename`, body);
    say(options, `${called} is called ${name || 'by its own name'} now`);
  });
  withClientOptions(
    segment
      .command('set-location')
      .description('say where a segment is, instead of what its leader says')
      .argument('<segment>')
      .option('--location <name>', 'neighbours in location are preferred as sources', '')
      .option('--time-zone <name>', 'such as Europe/Paris', '')
      .option('--region <name>', 'whose origin and leaders serve it', ''),
  ).action(async (called, { location, timeZone, region, ...options }) => {
    const place = create(LocateSegmentSchema, { location, timeZone, region });
    await clientOf(options).send(
      'POST',
      `${pathOf(called)}/place`,
      toJson(LocateSegmentSchema, place),
    );
    say(options, `${called} has its place`);
  });
}

function pathOf(segment: string): string {
  return `/api/v1/segments/${encodeURIComponent(segment)}`;
}

function say({ output }: { readonly output: string }, text: string): void {
  print(output === 'json' ? JSON.stringify({ done: true }) : text);
}
