import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  CreateGroupSchema,
  DeleteGroupSchema,
  EditGroupSchema,
  event,
  MembershipSchema,
} from '#libs/contracts/index.js';
import { NoTargets, UnknownSite } from '../domain/errors.js';
import { type Replica, runIdOf, SchedulerWorld } from './scheduler-world.js';

let world: SchedulerWorld;
let replica: Replica;

beforeEach(async () => {
  world = new SchedulerWorld();
  replica = await world.replica();
});
afterEach(() => world.close());

function membership(selector: string) {
  return create(MembershipSchema, { membership: { case: 'selector', value: selector } });
}

function createGroup(selector: string, group = 'web', site = 'www') {
  const given = { group, site, membership: membership(selector) };
  return replica.scheduler.createGroup(create(CreateGroupSchema, given), world.caller());
}

async function createSite(site = 'www') {
  await world.site(replica, site, 'nowhere');
}

const publish = (number: number) => world.request(replica, number);

async function registeredServers() {
  const labels = { tier: 'prod' };
  const enrolled = event('NodeEnrolled', { node: 'paris-1', segment: 'paris', labels });
  await world.append('node', 'paris-1', enrolled);
  const members = [
    { node: 'paris-1', labels: { rack: '7' } },
    { node: 'paris-2', labels: { rack: '8' } },
  ];
  await world.append('segment', 'paris', event('SegmentChanged', { segment: 'paris', members }));
}

async function targetsOfRun(number: number) {
  const started = (await world.log.read({ type: 'run', id: runIdOf(number) })).at(1);
  if (started?.type !== 'RunStarted') throw new Error('the run was not started');
  return started.data.targets.map(({ segment, nodes }) => [segment, ...nodes]);
}

describe('the scheduler', () => {
  test('a run may follow the commands that it needs without a pause', async () => {
    await registeredServers();
    await createSite();
    await createGroup('segment=paris');
    const { id, sequence } = await publish(1);
    expect(id).toBe(runIdOf(1));
    expect(sequence).toBe(await world.log.lastSequence());
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
    await replica.scheduler.editGroup(edit, world.caller());
    await publish(1);
    expect(await targetsOfRun(1)).toEqual([['paris', 'paris-2']]);
  });

  test('a deleted group and groups of other sites select nothing', async () => {
    await registeredServers();
    await createSite();
    await createSite('shop');
    await createGroup('rack', 'web');
    await createGroup('rack', 'shops', 'shop');
    const gone = create(DeleteGroupSchema, { group: 'web' });
    await replica.scheduler.deleteGroup(gone, world.caller());
    await expect(publish(1)).rejects.toThrow(NoTargets);
  });

  test('groups and runs of an unknown site are refused', async () => {
    await expect(createGroup('rack')).rejects.toThrow(UnknownSite);
    await expect(publish(1)).rejects.toThrow(UnknownSite);
    expect(await world.log.lastSequence()).toBe(0);
  });
});
