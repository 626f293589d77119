import { create, toJson } from '@bufbuild/protobuf';
import type { Command } from 'commander';
import { RotateSegmentKeySchema } from '#libs/contracts/index.js';
import { clientOf, print, wholeNumber, withClientOptions } from './context.js';

/** `espalier segment rotate-key`. */
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
    const path = `/api/v1/segments/${encodeURIComponent(name)}/rotate-key`;
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
}
