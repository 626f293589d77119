import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  CreateGroupSchema,
  CreateSiteSchema,
  DeleteGroupSchema,
  type DomainEvent,
  EditGroupSchema,
  event,
  JobType,
  MembershipSchema,
  type RecordedEvent,
  RequestRunSchema,
} from '#libs/contracts/index.js';
import { type EventLog, noEvents } from '#libs/event-log/event-log.js';
import { LogView } from '#libs/event-log/log-view.js';
import { memoryLog } from '#libs/event-log/memory-log.js';
import type { Caller } from '#libs/nest-jetstream/context.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { defaultSchedulerConfig } from '../config.js';
import { NoTargets, RunConflict, UnknownSite } from '../domain/errors.js';
import { emptyFleet, evolveFleet, type Fleet, fleetAggregates } from '../domain/fleet.js';
import { Scheduler } from './scheduler.js';

let log: EventLog;
let fleet: LogView<Fleet>;
let scheduler: Scheduler;
let commands: number;

beforeEach(async () => {
  log = memoryLog();
  fleet = await LogView.start<Fleet>(log, {
    aggregateTypes: fleetAggregates,
    initial: emptyFleet,
    evolve: evolveFleet,
  });
  scheduler = new Scheduler(log, fleet, new VirtualClock(5_000), defaultSchedulerConfig);
  commands = 0;
});
afterEach(() => fleet.close());

function caller(): Caller {
  return { actor: 'cli:test', commandId: `command-${++commands}` };
}

function runId(number: number): string {
  return `01920000-0000-7000-8000-${String(number).padStart(12, '0')}`;
}

function createSite(site = 'www') {
  return scheduler.createSite(create(CreateSiteSchema, { site, staging: '/srv/www' }), caller());
}

function membership(selector: string) {
  return create(MembershipSchema, { membership: { case: 'selector', value: selector } });
}

function createGroup(selector: string, group = 'web', site = 'www') {
  const given = { group, site, membership: membership(selector) };
  return scheduler.createGroup(create(CreateGroupSchema, given), caller());
}

function publish(number: number, options: { site?: string; dryRun?: boolean } = {}) {
  const given = { runId: runId(number), site: 'www', type: JobType.PUBLISH, ...options };
  return scheduler.requestRun(create(RequestRunSchema, given), caller());
}

async function append(type: 'node' | 'segment' | 'outcome', id: string, happened: DomainEvent) {
  const context = { actor: 'test', correlationId: id, causationId: `${type}-${id}` };
  const [recorded] = await log.append({ type, id }, noEvents, [happened], context, 1);
  await fleet.reaches(recorded?.sequence ?? 0);
  return recorded as RecordedEvent;
}

async function registeredServers() {
  const labels = { tier: 'prod' };
  await append(
    'node',
    'paris-1',
    event('NodeEnrolled', { node: 'paris-1', segment: 'paris', labels }),
  );
  const members = [
    { node: 'paris-1', labels: { rack: '7' } },
    { node: 'paris-2', labels: { rack: '8' } },
  ];
  await append('segment', 'paris', event('SegmentChanged', { segment: 'paris', members }));
}

async function targetsOfRun(number: number) {
  const started = (await log.read({ type: 'run', id: runId(number) })).at(1);
  if (started?.type !== 'RunStarted') throw new Error('the run was not started');
  return started.data.targets.map(({ segment, nodes }) => [segment, ...nodes]);
}

describe('the scheduler', () => {
  test('a run may follow the commands that it needs without a pause', async () => {
    await registeredServers();
    await createSite();
    await createGroup('segment=paris');
    const { id, sequence } = await publish(1);
    expect(id).toBe(runId(1));
    expect(sequence).toBe(await log.lastSequence());
    expect(await targetsOfRun(1)).toEqual([['paris', 'paris-1', 'paris-2']]);
  });

  test('labels are those of the enrolment and those that the server registers', async () => {
    await registeredServers();
    await createSite();
    await createGroup('tier=prod,rack=7');
    await publish(1);
    expect(await targetsOfRun(1)).toEqual([['paris', 'paris-1']]);
  });

  test('groups are evaluated as they are when the run is requested', async () => {
    await registeredServers();
    await createSite();
    await createGroup('rack=7');
    const edit = create(EditGroupSchema, { group: 'web', membership: membership('rack=8') });
    await scheduler.editGroup(edit, caller());
    await publish(1);
    expect(await targetsOfRun(1)).toEqual([['paris', 'paris-2']]);
  });

  test('a deleted group and groups of other sites select nothing', async () => {
    await registeredServers();
    await createSite();
    await createSite('shop');
    await createGroup('rack', 'web');
    await createGroup('rack', 'shops', 'shop');
    await scheduler.deleteGroup(create(DeleteGroupSchema, { group: 'web' }), caller());
    await expect(publish(1)).rejects.toThrow(NoTargets);
  });

  test('groups and runs of an unknown site are refused', async () => {
    await expect(createGroup('rack')).rejects.toThrow(UnknownSite);
    await expect(publish(1)).rejects.toThrow(UnknownSite);
    expect(await log.lastSequence()).toBe(0);
  });

  test('of two requests at once for one site the second is refused', async () => {
    await registeredServers();
    await createSite();
    await createGroup('rack');
    const [first, second] = await Promise.allSettled([publish(1), publish(2)]);
    expect(first.status).toBe('fulfilled');
    expect(second).toMatchObject({ status: 'rejected', reason: expect.any(RunConflict) });
  });

  test('a refused request does not stand in the way of the next', async () => {
    await createSite();
    await expect(publish(1)).rejects.toThrow(NoTargets);
    expect((await publish(2, { dryRun: true })).id).toBe(runId(2));
  });

  test('a repeated request is accepted and changes nothing', async () => {
    await createSite();
    await publish(1, { dryRun: true });
    expect(await publish(1, { dryRun: true })).toEqual({ id: runId(1), sequence: 0 });
  });

  test('a run whose outcome is known makes room for the next, and is closed once', async () => {
    await createSite();
    await publish(1, { dryRun: true });
    const outcome = event('RunFailed', { runId: runId(1), site: 'www', reason: 'no space' });
    const failed = (await append('outcome', runId(1), outcome)) as RecordedEvent<'RunFailed'>;
    await publish(2, { dryRun: true });
    await scheduler.closeRun(failed);
    await scheduler.closeRun(failed);
    const events = await log.read({ type: 'run', id: runId(1) });
    expect(events.map(({ type }) => type)).toEqual(['RunRequested', 'RunStarted', 'RunClosed']);
    expect(events.at(-1)?.data).toMatchObject({ status: 'failed' });
    expect(events.at(-1)?.context).toMatchObject({ causationId: failed.id });
  });
});
