import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  CreateJobSchema,
  EditSiteSchema,
  type JobSpecSchema,
  JobsQuerySchema,
  JobType,
  OutsideEventSchema,
  type RecordedEvent,
  ResumeJobSchema,
  TriggerJobSchema,
} from '#libs/contracts/index.js';
import { LogView } from '#libs/event-log/log-view.js';
import { silentLogger } from '#libs/telemetry/logger.js';
import { UnknownJob } from '../domain/errors.js';
import { evolveJobs, type JobsView, jobsAggregates, newJobsView } from '../domain/jobs-view.js';
import { AfterRuns } from './after-runs.js';
import { JobStarts } from './job-starts.js';
import { JobTimes } from './job-times.js';
import { Jobs } from './jobs.js';
import { type Replica, SchedulerWorld } from './scheduler-world.js';
import { StagingJobs, type WatchStaging } from './staging-jobs.js';

const minuteMs = 60_000;
type Spec = MessageInitShape<typeof JobSpecSchema>;

let world: SchedulerWorld;
let replica: Replica;
let closing: { close(): unknown }[];

beforeEach(async () => {
  world = new SchedulerWorld();
  closing = [];
  replica = await world.replica();
  await world.servers('paris', 'paris-1');
  await world.site(replica, 'www');
});
afterEach(async () => {
  for (const part of closing) await part.close();
  await world.close();
});

/** What makes jobs run, in one more replica. */
async function jobsOf(own: Replica, goesFirst = (_site: string) => true) {
  const view = await LogView.start<JobsView>(world.log, {
    aggregateTypes: jobsAggregates,
    initial: newJobsView(),
    evolve: evolveJobs,
  });
  const starts = new JobStarts(world.log, view, own.runs, goesFirst, world.clock, silentLogger);
  const jobs = new Jobs(world.log, view, own.fleet, starts, world.clock);
  const after = new AfterRuns(world.log, view, own.runs, starts);
  const times = new JobTimes(view, starts, world.clock, silentLogger);
  closing.push(times, view);
  return { view, starts, jobs, after, times };
}

const cron = (expression: string) => ({
  trigger: { case: 'cron', value: { expression } } as const,
});

function make(jobs: Jobs, job: string, spec: Spec) {
  const whole = { site: 'www', type: JobType.PUBLISH, ...spec };
  const command = create(CreateJobSchema, { job, spec: whole as never });
  return jobs.create(command, world.caller());
}

async function happened(): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for await (const event of world.log.replay({ afterSequence: 0 })) events.push(event);
  return events;
}

async function requested() {
  return (await happened()).flatMap((event) =>
    event.type === 'RunRequested' ? [event.data.terms] : [],
  );
}

/** Lets what timers began come to its end. */
async function settled(): Promise<void> {
  for (let round = 0; round < 200; round++) await Promise.resolve();
}

async function pass(durationMs: number, stepMs = 200): Promise<void> {
  for (let passed = 0; passed < durationMs; passed += stepMs) {
    world.clock.advance(stepMs);
    await settled();
  }
}

describe('jobs in time', () => {
  test('begin once when they are due, whatever the number of replicas', async () => {
    const { jobs } = await jobsOf(replica);
    for (const _ of [1, 2]) await jobsOf(await world.replica());
    await make(jobs, 'minutely', { triggers: [cron('* * * * *')] });
    await pass(3 * minuteMs);
    const terms = await requested();
    expect(terms.map((one) => Number(one?.dueAtMs))).toEqual([60_000, 120_000, 180_000]);
    expect(terms[0]).toMatchObject({ job: 'minutely', jobVersion: 1n });
  });

  test('begin where the site is read; elsewhere a second later, when nobody did', async () => {
    const first = await jobsOf(replica, () => false);
    await make(first.jobs, 'minutely', { triggers: [cron('* * * * *')] });
    await pass(minuteMs - 5_000);
    expect(await requested()).toHaveLength(0);
    await pass(1_000);
    expect(await requested()).toHaveLength(1);
    await jobsOf(await world.replica(), () => true);
    await pass(minuteMs - 800);
    const begun = (await happened()).filter(({ type }) => type === 'RunRequested');
    expect(begun.map(({ timeMs }) => timeMs)).toEqual([61_000, 120_000]);
  });

  test('that cannot begin are recorded as left out, once', async () => {
    const { jobs } = await jobsOf(replica);
    await jobsOf(await world.replica());
    const nothingLive = { type: JobType.SYNCHRONIZE };
    await make(jobs, 'sync', { ...nothingLive, triggers: [cron('* * * * *')] });
    await pass(minuteMs);
    const skipped = (await happened()).filter(({ type }) => type === 'JobOccurrenceSkipped');
    expect(skipped).toHaveLength(1);
    expect(skipped[0]?.data).toMatchObject({ reason: expect.stringContaining('nothing is live') });
  });

  test('do not begin while they are paused', async () => {
    const { jobs } = await jobsOf(replica);
    await make(jobs, 'minutely', { triggers: [cron('* * * * *')] });
    const command = create(ResumeJobSchema, { job: 'minutely' });
    await jobs.pause(command as never, world.caller());
    await pass(2 * minuteMs);
    expect(await requested()).toEqual([]);
    await jobs.resume(command, world.caller());
    await pass(minuteMs);
    expect(await requested()).toHaveLength(1);
  });

  test('tell their next runs', async () => {
    const { jobs } = await jobsOf(replica);
    await make(jobs, 'daily', { triggers: [cron('0 3 * * *')] });
    const [view] = (await jobs.list(create(JobsQuerySchema, { job: 'daily' }))).jobs;
    expect(view?.nextRuns).toHaveLength(5);
    expect(view?.nextRuns[0]).toBe('1970-01-01T03:00:00.000Z');
  });
});

describe('jobs by what happens', () => {
  const hears = (type: string) => ({ triggers: [{ trigger: { case: 'event', value: { type } } }] });

  test('begin once for an event from outside, however often it is told', async () => {
    const { jobs } = await jobsOf(replica);
    const other = await jobsOf(await world.replica());
    await make(jobs, 'deploy', hears('build.*') as Spec);
    await other.view.reaches(await world.log.lastSequence());
    const told = create(OutsideEventSchema, { id: '17', type: 'build.done' });
    await Promise.all([jobs.heard(told, world.caller()), other.jobs.heard(told, world.caller())]);
    await jobs.heard(told, world.caller());
    await jobs.heard(create(OutsideEventSchema, { id: '18', type: 'test' }), world.caller());
    expect(await requested()).toMatchObject([{ job: 'deploy', trigger: 'event build.done 17' }]);
  });

  test('begin when a load balancer asks, where it may', async () => {
    const { jobs } = await jobsOf(replica);
    const triggers = [{ trigger: { case: 'loadBalancer', value: {} } } as const];
    await make(jobs, 'asked', { triggers });
    await make(jobs, 'quiet', {});
    const ask = (job: string) =>
      jobs.trigger(create(TriggerJobSchema, { job, loadBalancer: true }), world.caller());
    await ask('asked');
    await expect(ask('quiet')).rejects.toThrow('no load balancer may ask for it');
    await expect(ask('nobody')).rejects.toThrow(UnknownJob);
    expect(await requested()).toMatchObject([{ job: 'asked', trigger: 'load balancer' }]);
  });

  test('begin after the run of another job, and a cycle ends where it began', async () => {
    const { jobs, after, view } = await jobsOf(replica);
    const follow = (job: string) => ({
      triggers: [{ trigger: { case: 'after', value: { job } } }],
    });
    await make(jobs, 'first', hears('go') as Spec);
    await world.site(replica, 'shop');
    await make(jobs, 'second', { ...follow('first'), site: 'shop' } as Spec);
    await jobs.heard(create(OutsideEventSchema, { id: '1', type: 'go' }), world.caller());
    const closed = async (job: string) => {
      const runId = view.state.jobs.get(job)?.lastRunId ?? '';
      const data = { runId, status: 'completed' };
      await after.closed({ data } as RecordedEvent<'RunClosed'>);
      await after.closed({ data } as RecordedEvent<'RunClosed'>);
    };
    await closed('first');
    await closed('second');
    expect(await requested()).toMatchObject([
      { job: 'first', chain: [] },
      { job: 'second', chain: ['first'] },
    ]);
  });

  test('begin when staging has changed, and not for what was there before', async () => {
    const { jobs, starts, view } = await jobsOf(replica);
    let tell: (fingerprint: string) => Promise<void> = async () => undefined;
    const watch: WatchStaging = (_site, _quietMs, changed) => {
      tell = changed;
      return () => undefined;
    };
    const parts = [view, starts, watch, world.clock, silentLogger] as const;
    closing.push(new StagingJobs(...parts));
    await make(jobs, 'watching', {
      triggers: [{ trigger: { case: 'staging', value: {} } }],
    });
    await pass(2_000);
    for (const seen of ['one', 'one', 'two', 'two']) await tell(seen);
    expect(await requested()).toMatchObject([{ job: 'watching', trigger: 'staging two' }]);
  });

  test('begin when the site is staged elsewhere: there is other content', async () => {
    const { jobs, starts, view } = await jobsOf(replica);
    const watched = new Map<string, (fingerprint: string) => Promise<void>>();
    const watch: WatchStaging = ({ staging }, _quietMs, changed) => {
      watched.set(staging, changed);
      return () => watched.delete(staging);
    };
    closing.push(new StagingJobs(view, starts, watch, world.clock, silentLogger));
    await make(jobs, 'watching', {
      triggers: [{ trigger: { case: 'staging', value: {} } }],
    });
    await pass(2_000);
    for (const seen of ['one', 'two']) await watched.get('/srv/www')?.(seen);
    const elsewhere = create(EditSiteSchema, { site: 'www', staging: 'servers:build' });
    await replica.scheduler.editSite(elsewhere, world.caller());
    await pass(2_000);
    expect([...watched.keys()]).toEqual(['servers:build']);
    await watched.get('servers:build')?.('three');
    const runs = await requested();
    expect(runs.map((terms) => terms?.trigger)).toEqual(['staging two', 'staging three']);
  });
});
