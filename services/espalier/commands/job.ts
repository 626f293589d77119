import {
  create,
  fromJson,
  type JsonObject,
  type JsonValue,
  type MessageInitShape,
  toJson,
} from '@bufbuild/protobuf';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { JobSpecSchema, type JobTriggerSchema, JobViewSchema } from '#libs/contracts/index.js';
import { duration, time } from '../values.js';
import { commitPolicyOf, withCommitOptions } from './commit-options.js';
import { clientOf, print, wholeNumber, withClientOptions } from './context.js';
import { conflictOption, policiesOf, withPolicyOptions } from './policy-options.js';
import { sendTrigger, withRunOptions } from './publish.js';

type TriggerInit = MessageInitShape<typeof JobTriggerSchema>;

const types = [
  'publish',
  'replicate',
  'synchronize',
  'restore',
  'rollback',
  'remove',
  'hot',
  'create-checkpoint',
] as const;

/** `espalier job create|edit|pause|resume|trigger|delete`. */
export function jobCommand(program: Command): void {
  const job = program.command('job').description('what runs by itself: when, where and how');
  withSpecOptions(
    job
      .command('create')
      .description('make a job; without a trigger it runs when it is told to')
      .argument('<name>')
      .requiredOption('--site <site>', 'the site it is about'),
  ).action(async (name, options) => {
    const spec = specOf(options, { site: options.site, type: 'JOB_TYPE_PUBLISH' });
    await clientOf(options).send('POST', '/api/v1/jobs', { job: name, spec });
    print(said(options.output, name, `job ${name} is made`));
  });
  withSpecOptions(
    job
      .command('edit')
      .description('change what is given; runs under way go on as they began')
      .argument('<name>'),
  ).action(async (name, options) => {
    const client = clientOf(options);
    const path = `/api/v1/jobs/${encodeURIComponent(name)}`;
    const { spec } = await client.get(path, JobViewSchema);
    const before = toJson(JobSpecSchema, spec ?? create(JobSpecSchema)) as JsonObject;
    await client.send('PATCH', path, { spec: specOf(options, before) });
    print(said(options.output, name, `job ${name} is changed`));
  });
  simple(job, 'pause', 'let it not run until it is resumed', 'POST', '/pause', 'is paused');
  simple(job, 'resume', 'let it run again', 'POST', '/resume', 'runs again');
  simple(job, 'delete', 'delete it; its runs stay in the history', 'DELETE', '', 'is deleted');
  triggerCommand(job);
}

function triggerCommand(job: Command): void {
  withRunOptions(
    job
      .command('trigger')
      .description('run it now')
      .argument('<name>')
      .option('--load-balancer', 'as a load balancer would: it may name paths and servers')
      .option('--path <path...>', 'instead of its own')
      .option('--node <name...>', 'instead of its own')
      .option('--servers <n>', 'how many servers', wholeNumber, 0),
  ).action((name, options) => {
    const { path = [], node = [], servers: serverCount } = options;
    const route = options.loadBalancer ? 'load-balancer' : 'trigger';
    const body = { paths: path, nodes: node, serverCount };
    return sendTrigger(`/api/v1/jobs/${encodeURIComponent(name)}/${route}`, body, options);
  });
}

function simple(
  job: Command,
  name: string,
  description: string,
  method: string,
  route: string,
  done: string,
): void {
  withClientOptions(job.command(name).description(description).argument('<name>')).action(
    async (jobName, options) => {
      const path = `/api/v1/jobs/${encodeURIComponent(jobName)}${route}`;
      await clientOf(options).send(method, path, method === 'POST' ? {} : undefined);
      print(said(options.output, jobName, `job ${jobName} ${done}`));
    },
  );
}

interface SpecOptions {
  readonly type?: (typeof types)[number];
  readonly group?: string[];
  readonly exclude?: string[];
  readonly to?: string;
  readonly path?: string[];
  readonly node?: string[];
  readonly servers?: number;
  readonly cron?: string[];
  readonly timeZone?: string;
  readonly at?: number;
  readonly when?: string[];
  readonly onChange?: number | true;
  readonly after?: string[];
  readonly onEvent?: string[];
  readonly onLoadBalancer?: boolean;
  readonly blackout?: JsonValue[];
  readonly skipInBlackout?: boolean;
  readonly startWithin?: number;
}

function withSpecOptions(command: Command): Command {
  return withPolicyOptions(
    withCommitOptions(
      withClientOptions(
        command
          .addOption(new Option('--type <type>', 'what it does (publish)').choices([...types]))
          .option('--group <name...>', 'only these groups of the site')
          .option('--exclude <glob...>', 'leave out what matches')
          .option('--to <version>', 'rollback: the version; restore: the checkpoint')
          .option('--path <path...>', 'remove and hot: what')
          .option('--node <name...>', 'only these servers')
          .option('--servers <n>', 'hot: how many servers', wholeNumber)
          .option('--cron <expr...>', 'at these times, e.g. "0 3 * * 1-5"')
          .option('--time-zone <zone>', 'of the cron expressions, e.g. Europe/Paris (UTC)')
          .option('--when <time...>', 'once, at this time (ISO 8601)')
          .option('--on-change [quiet]', 'when staging has changed and been quiet (2s)', duration)
          .option('--after <job...>', 'after a run of JOB, or of JOB:failed,partial')
          .option('--on-event <type...>', 'when an event of this type comes from outside')
          .option('--on-load-balancer', 'when a load balancer asks')
          .option('--blackout <window...>', 'never in "CRON / DURATION [/ ZONE]"')
          .option('--skip-in-blackout', 'leave out what falls into one, do not make up for it')
          .option('--start-within <duration>', 'leave out what could not begin in time', duration)
          .addOption(conflictOption()),
      ),
    ),
  );
}

/** The specification with what the options say; what they do not mention stays. */
function specOf(options: SpecOptions, before: JsonObject): JsonObject {
  const triggers = triggersOf(options);
  const commit = commitPolicyOf(options as never);
  const policies = policiesOf(options as never);
  const given = {
    ...(options.type && { type: `JOB_TYPE_${options.type.toUpperCase().replaceAll('-', '_')}` }),
    ...(options.group && { groups: options.group }),
    ...(options.exclude && { filters: options.exclude.map((pattern) => ({ pattern })) }),
    ...(options.to && { to: options.to }),
    ...(options.path && { paths: options.path }),
    ...(options.node && { nodes: options.node }),
    ...(options.servers && { serverCount: options.servers }),
    ...(triggers.length > 0 && { triggers }),
    ...(commit && { commit }),
    ...(policies && { policies: { ...(before.policies as JsonObject), ...policies } }),
    ...(options.blackout && {
      blackouts: (options.blackout as string[]).map((text) => windowOf(text)),
    }),
    ...(options.skipInBlackout && { skipInBlackout: true }),
    ...(options.startWithin && { startWithinMs: String(options.startWithin) }),
  };
  const spec = fromJson(JobSpecSchema, { ...before, ...given } as JsonObject);
  return toJson(JobSpecSchema, spec) as JsonObject;
}

function triggersOf(options: SpecOptions): JsonObject[] {
  const { cron = [], timeZone = '', when = [], after = [], onEvent = [], onChange } = options;
  const triggers: TriggerInit[] = [
    ...cron.map((expression): TriggerInit => {
      return { trigger: { case: 'cron', value: { expression, timeZone } } };
    }),
    ...when.map((text): TriggerInit => {
      return { trigger: { case: 'at', value: { atMs: BigInt(time(text)) } } };
    }),
    ...after.map((text): TriggerInit => {
      const [name = '', statuses = ''] = text.split(':');
      const value = { job: name, statuses: statuses.split(',').filter(Boolean) };
      return { trigger: { case: 'after', value } };
    }),
    ...onEvent.map((type): TriggerInit => ({ trigger: { case: 'event', value: { type } } })),
  ];
  if (onChange !== undefined) {
    const quietMs = BigInt(onChange === true ? 0 : onChange);
    triggers.push({ trigger: { case: 'staging', value: { quietMs } } });
  }
  if (options.onLoadBalancer) triggers.push({ trigger: { case: 'loadBalancer', value: {} } });
  const spec = create(JobSpecSchema, { triggers });
  return ((toJson(JobSpecSchema, spec) as JsonObject).triggers ?? []) as JsonObject[];
}

/** `0 22 * * * / 4h / Europe/Paris` as the JSON of a window. @throws InvalidArgumentError */
export function windowOf(text: string): JsonObject {
  const match = /^([^/]*(?:\/\d[^/]*)*?)\s\/\s(\S+)(?:\s\/\s(\S+))?$/.exec(text.trim());
  const [, cron = '', lasts = '', timeZone = ''] = match ?? [];
  if (!match || cron.trim() === '') {
    throw new InvalidArgumentError('give "CRON / DURATION" or "CRON / DURATION / ZONE"');
  }
  return { cron: cron.trim(), durationMs: String(duration(lasts)), timeZone };
}

function said(output: string, name: string, text: string): string {
  return output === 'json' ? JSON.stringify({ job: name }) : text;
}
