import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import {
  CreateJobSchema,
  EditJobSchema,
  JobSpecSchema,
  JobType,
  SiteCreatedSchema,
} from '#libs/contracts/index.js';
import { pushedStaging } from '#libs/delta/pushed.js';
import {
  CyclicTriggers,
  InvalidRollout,
  InvalidSchedule,
  InvalidTrigger,
  JobExists,
  UnknownGroup,
  UnknownJob,
  UnknownSite,
  UnsupportedJobType,
} from './errors.js';
import { type JobEvent, jobAggregate } from './job-definition.js';
import type { SpecFacts } from './job-spec.js';

type Spec = MessageInitShape<typeof JobSpecSchema>;
type Triggers = NonNullable<Spec['triggers']>;

const nightly: Triggers = [{ trigger: { case: 'cron', value: { expression: '0 3 * * *' } } }];
const followed = (job: string): Triggers => [{ trigger: { case: 'after', value: { job } } }];
const spec: Spec = { site: 'www', type: JobType.PUBLISH, triggers: nightly };
const facts: SpecFacts = {
  site: create(SiteCreatedSchema, { site: 'www', staging: '/srv/www' }),
  groups: ['web'],
  jobs: new Map(),
  nowMs: 0,
};

const stateAfter = (events: JobEvent[]) => events.reduce(jobAggregate.evolve, jobAggregate.initial);

function make(more: Spec = {}, given: Partial<SpecFacts> = {}, before: JobEvent[] = []) {
  const data = create(CreateJobSchema, { job: 'nightly', spec: { ...spec, ...more } as never });
  const command = { type: 'create', data, facts: { ...facts, ...given } } as const;
  return [...jobAggregate.decide(command, stateAfter(before))];
}

function edit(before: JobEvent[], more: Spec) {
  const data = create(EditJobSchema, { job: 'nightly', spec: { ...spec, ...more } as never });
  return [...jobAggregate.decide({ type: 'edit', data, facts }, stateAfter(before))];
}

const otherJobs = (jobs: Record<string, Triggers>) => ({
  jobs: new Map(
    Object.entries(jobs).map(([name, triggers]) => {
      return [name, { spec: create(JobSpecSchema, { triggers } as never) }] as const;
    }),
  ),
});

describe('a job', () => {
  const made = make();

  test('has a version for each change, and none for a repetition', () => {
    expect(edit(made, {})).toEqual([]);
    const edited = edit(made, { paths: ['a'] });
    expect(edited).toMatchObject([{ type: 'JobEdited', data: { jobVersion: 2n } }]);
    expect(make({}, {}, made)).toEqual([]);
    expect(() => make({ paths: ['a'] }, {}, made)).toThrow(JobExists);
  });

  test('that is made again goes on counting its versions', () => {
    const data = { $typeName: 'espalier.v1.DeleteJob', job: 'nightly' } as const;
    const deleted = jobAggregate.decide({ type: 'delete', data }, stateAfter(made));
    const again = [...made, ...deleted, ...make({}, {}, [...made, ...deleted])];
    expect(stateAfter(again).version).toBe(2n);
    expect(() => edit([...made, ...deleted], {})).toThrow(UnknownJob);
  });

  test('needs a site and its groups, and a type that there is', () => {
    expect(() => make({}, { site: undefined })).toThrow(UnknownSite);
    expect(() => make({ groups: ['nobody'] })).toThrow(UnknownGroup);
    expect(() => make({ type: JobType.SWITCH })).toThrow(UnsupportedJobType);
  });

  test.each([
    [[{ trigger: { case: 'cron', value: { expression: 'every day' } } }], InvalidSchedule],
    [[{ trigger: { case: 'cron', value: { expression: '0 0 30 2 *' } } }], InvalidSchedule],
    [
      [{ trigger: { case: 'cron', value: { expression: '0 3 * * *', timeZone: 'Paris' } } }],
      InvalidSchedule,
    ],
    [[{ trigger: { case: 'at', value: { atMs: 0n } } }], InvalidSchedule],
    [[{ trigger: { case: undefined } }], InvalidTrigger],
    [followed('nobody'), UnknownJob],
    [
      [{ trigger: { case: 'after', value: { job: 'nightly', statuses: ['good'] } } }],
      InvalidTrigger,
    ],
  ] as [Triggers, new (...given: never[]) => Error][])('with %j is refused', (triggers, error) => {
    expect(() => make({ triggers })).toThrow(error);
  });

  test('that watches staging is refused where content is pushed', () => {
    const site = create(SiteCreatedSchema, { site: 'www', staging: pushedStaging });
    const triggers: Triggers = [{ trigger: { case: 'staging', value: {} } }];
    expect(() => make({ triggers }, { site })).toThrow(InvalidTrigger);
    for (const staging of ['/srv/www', 'servers:build']) {
      expect(make({ triggers }, { site: { ...site, staging } })).toHaveLength(1);
    }
  });

  test('that would start itself in the end is refused, and the way there told', () => {
    const chain = otherJobs({ first: followed('nightly'), second: followed('first') });
    expect(() => make({ triggers: followed('second') }, chain)).toThrow(CyclicTriggers);
    expect(() => make({ triggers: followed('second') }, chain)).toThrow(
      /nightly after second after first after nightly/,
    );
    expect(() => make({ triggers: followed('nightly') })).toThrow(CyclicTriggers);
    expect(make({ triggers: followed('first') }, otherJobs({ first: [] }))).toHaveLength(1);
  });

  test('with waves or thresholds that can mean nothing is refused', () => {
    const rollout = (value: number) => ({
      policies: { rollout: { waves: [{ members: { case: 'percent', value } as const }] } },
    });
    expect(() => make(rollout(101))).toThrow(InvalidRollout);
    expect(make(rollout(10))).toHaveLength(1);
  });
});
