import { create, equals, type JsonObject, type MessageInitShape, toJson } from '@bufbuild/protobuf';
import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  ConflictPolicy,
  RunPoliciesSchema,
  type StartQuorumSchema,
  type WaveSchema,
  WindowPolicy,
} from '#libs/contracts/index.js';
import { duration, size } from '../values.js';
import { quorum } from './commit-options.js';
import { wholeNumber } from './context.js';

type Needed = MessageInitShape<typeof StartQuorumSchema>['needed'];
type WaveInit = MessageInitShape<typeof WaveSchema>;

const conflicts = {
  queue: ConflictPolicy.QUEUE,
  cancel: ConflictPolicy.CANCEL,
  replace: ConflictPolicy.REPLACE,
  refuse: ConflictPolicy.REFUSE,
} as const;
const windows = {
  wait: WindowPolicy.UNSPECIFIED,
  activate: WindowPolicy.ACTIVATE,
  ignore: WindowPolicy.IGNORE,
} as const;

export interface PolicyOptions {
  readonly onConflict?: keyof typeof conflicts;
  readonly startQuorum?: Needed;
  readonly freeDisk?: number;
  readonly defer?: number;
  readonly retries?: number;
  readonly retryDelay?: number;
  readonly deadline?: number;
  readonly wave?: readonly WaveInit[];
  readonly success?: number;
  readonly errors?: number;
  readonly soak?: number;
  readonly promoteManually?: boolean;
  readonly keepBadWave?: boolean;
  readonly windows?: keyof typeof windows;
}

export function conflictOption(): Option {
  const words = 'what to do when another run has one of the servers';
  return new Option('--on-conflict <what>', words).choices(Object.keys(conflicts));
}

/** Adds what decides when a run begins, whether it is tried again, and in which waves it goes. */
export function withPolicyOptions(command: Command): Command {
  const waves: WaveInit[] = [];
  const addWave = (text: string) => {
    waves.push(wave(text));
    return waves;
  };
  return command
    .option('--start-quorum <n>', 'servers that must be able to take part: all, n or n%', quorum)
    .option('--free-disk <size>', 'that each of them must have free, e.g. 2GiB', size)
    .option('--defer <duration>', 'wait so long for them before giving up, e.g. 30m', duration)
    .option('--retries <n>', 'try again what failed, so often', wholeNumber)
    .option('--retry-delay <duration>', 'before the first retry; twice as long each time', duration)
    .option('--deadline <duration>', 'from the request to the end', duration)
    .option('--wave <servers>', 'first to 10%, 5, segment=paris or a selector', addWave)
    .option('--success <percent>', 'of a wave must have switched for the next', wholeNumber)
    .option('--errors <percent>', 'of a wave may fail before it is given up', wholeNumber)
    .option('--soak <duration>', 'how long a wave is watched', duration)
    .option('--promote-manually', 'each wave waits for espalier rollout promote')
    .option('--keep-bad-wave', 'do not bring servers of a bad wave back')
    .addOption(
      new Option('--windows <what>', 'maintenance windows of groups: wait for them, ...')
        .choices(Object.keys(windows))
        .default(undefined),
    );
}

/** `undefined`: nothing is wanted beyond what is usual. */
export function policiesOf(options: PolicyOptions): JsonObject | undefined {
  const { wave: waves = [], startQuorum, freeDisk, defer, retries, retryDelay } = options;
  const hasQuorum = startQuorum !== undefined || freeDisk !== undefined || defer !== undefined;
  const policies = create(RunPoliciesSchema, {
    conflict: options.onConflict ? conflicts[options.onConflict] : ConflictPolicy.UNSPECIFIED,
    windows: windows[options.windows ?? 'wait'],
    deadlineMs: BigInt(options.deadline ?? 0),
    ...(hasQuorum && {
      quorum: {
        ...(startQuorum ? { needed: startQuorum } : {}),
        freeDiskBytes: BigInt(freeDisk ?? 0),
        deferMs: BigInt(defer ?? 0),
      },
    }),
    ...(retries && { retry: { attempts: retries, firstDelayMs: BigInt(retryDelay ?? 0) } }),
    ...(waves.length > 0 && {
      rollout: {
        waves: [...waves],
        successPercent: options.success ?? 0,
        errorPercent: options.errors ?? 0,
        soakMs: BigInt(options.soak ?? 0),
        manualPromotion: options.promoteManually ?? false,
        keepBadWave: options.keepBadWave ?? false,
      },
    }),
  });
  if (equals(RunPoliciesSchema, policies, create(RunPoliciesSchema))) return undefined;
  return toJson(RunPoliciesSchema, policies) as JsonObject;
}

/** `10%`, `5`, `segment=paris`, or any other selector. */
export function wave(text: string): WaveInit {
  const match = /^([1-9]\d{0,6})(%?)$/.exec(text);
  if (match) {
    const value = Number(match[1]);
    if (match[2] === '%' && value > 100) throw new InvalidArgumentError('give at most 100%');
    return { members: { case: match[2] === '%' ? 'percent' : 'count', value } };
  }
  const segment = /^segment=([A-Za-z0-9._-]+)$/.exec(text)?.[1];
  if (segment) return { members: { case: 'segment', value: segment } };
  return { members: { case: 'selector', value: text } };
}
