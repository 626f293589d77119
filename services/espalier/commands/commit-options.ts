import { create, type JsonObject, type MessageInitShape, toJson } from '@bufbuild/protobuf';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { CommitPolicySchema, GoLive } from '#libs/contracts/index.js';
import { wholeNumber } from './context.js';

type Quorum = MessageInitShape<typeof CommitPolicySchema>['quorum'];

export interface CommitOptions {
  readonly quorum?: Quorum;
  readonly eachSegment?: boolean;
  readonly goLive?: keyof typeof policies;
  readonly at?: number;
  readonly lead?: number;
}

const policies = {
  'on-commit': GoLive.ON_COMMIT,
  'on-apply': GoLive.ON_APPLY,
  manual: GoLive.MANUAL,
} as const;

/** Adds what decides when a run goes live. */
export function withCommitOptions(command: Command): Command {
  const goLive = new Option('--go-live <when>', 'on-commit: all together; on-apply: each at once');
  return command
    .option('--quorum <n>', 'servers that must be prepared: all, a number, or a percentage', quorum)
    .option('--each-segment', 'the quorum holds in each segment, not in all together')
    .addOption(goLive.choices(Object.keys(policies)))
    .option('--at <time>', 'go live at this time (ISO 8601)', time)
    .option(
      '--lead <ms>',
      'from the commit to the switch of all servers; 0: on receipt',
      wholeNumber,
    );
}

/** `undefined`: what the site has. */
export function commitPolicyOf(options: CommitOptions): JsonObject | undefined {
  const { quorum, eachSegment = false, goLive, at, lead } = options;
  if (!quorum && !eachSegment && !goLive && at === undefined && lead === undefined)
    return undefined;
  const policy = create(CommitPolicySchema, {
    ...(quorum ? { quorum } : {}),
    eachSegment,
    goLive: at === undefined ? policies[goLive ?? 'on-commit'] : GoLive.AT,
    atMs: BigInt(at ?? 0),
    switchLeadMs: BigInt(lead ?? 0),
    switchOnReceipt: lead === 0,
  });
  return toJson(CommitPolicySchema, policy) as JsonObject;
}

/** `all`, a number, or a percentage. @throws InvalidArgumentError */
export function quorum(text: string): Quorum {
  if (text === 'all') return { case: 'all', value: true };
  const match = /^([1-9]\d{0,6})(%?)$/.exec(text);
  const value = Number(match?.[1]);
  if (!match || (match[2] === '%' && value > 100)) {
    throw new InvalidArgumentError('give all, a number, or a percentage up to 100%');
  }
  return { case: match[2] === '%' ? 'percent' : 'count', value };
}

function time(text: string): number {
  const atMs = Date.parse(text);
  if (Number.isNaN(atMs)) throw new InvalidArgumentError('give a time, e.g. 2030-01-31T12:00:00Z');
  return atMs;
}
