import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ConflictPolicy, type RecordedEvent } from '#libs/contracts/index.js';
import { CannotCancel, NoTargets, RunConflict, UnknownSite } from '../domain/errors.js';
import { automaticActor } from '../domain/open-runs.js';
import { type Replica, runIdOf, SchedulerWorld } from './scheduler-world.js';

let world: SchedulerWorld;
let replica: Replica;

beforeEach(async () => {
  world = new SchedulerWorld();
  replica = await world.replica();
  await world.site(replica, 'www');
  await world.servers('paris', 'paris-1', 'paris-2');
});
afterEach(() => world.close());

const policy = (conflict: ConflictPolicy) => ({ terms: { policies: { conflict } } });
const queue = policy(ConflictPolicy.QUEUE);

async function typesOf(number: number) {
  return world.eventsOf(number);
}

/** What the durable consumer would hand to the scheduler. */
async function deliver(type: string, target = replica): Promise<void> {
  const events: RecordedEvent[] = [];
  for await (const event of world.log.replay({ afterSequence: 0 })) events.push(event);
  for (const { id, type: happened, data } of events) {
    if (happened === type && 'runId' in data) await target.runs.advance(data.runId, id);
  }
}

describe('runs', () => {
  test('of an unknown site, or without servers, are refused', async () => {
    await expect(world.request(replica, 1, { site: 'shop' })).rejects.toThrow(UnknownSite);
    await world.site(replica, 'empty', 'nowhere');
    await expect(world.request(replica, 1, { site: 'empty' })).rejects.toThrow(NoTargets);
    expect(await typesOf(1)).toEqual([]);
  });

  test('of two requests at once for one site one is refused, and told of the other', async () => {
    const settled = await Promise.allSettled([
      world.request(replica, 1),
      world.request(replica, 2),
    ]);
    const refused = settled.filter(({ status }) => status === 'rejected');
    expect(refused).toMatchObject([{ reason: expect.any(RunConflict) }]);
    const started = [...(await typesOf(1)), ...(await typesOf(2))];
    expect(started).toEqual(['RunRequested', 'RunStarted']);
  });

  test('of many replicas never start two at once on one server', async () => {
    const replicas = [replica, await world.replica(), await world.replica()];
    const asked = Array.from({ length: 12 }, (_, index) =>
      world.request(replicas[index % 3] as Replica, index, queue),
    );
    await Promise.all(asked);
    const started = await Promise.all(asked.map((_, index) => typesOf(index)));
    expect(started.filter((types) => types.includes('RunStarted'))).toHaveLength(1);
    expect(started.filter((types) => types.includes('RunQueued'))).toHaveLength(11);
  });

  test('that are asked for at once, a hundred of them, all find their place', async () => {
    const numbers = Array.from({ length: 100 }, (_, index) => index);
    await Promise.all(numbers.map((number) => world.request(replica, number, queue)));
    const types = await Promise.all(numbers.map(typesOf));
    expect(types.filter((each) => each.at(-1) === 'RunQueued')).toHaveLength(99);
  });

  test('a repeated request is accepted and changes nothing', async () => {
    await world.request(replica, 1);
    expect(await world.request(replica, 1)).toEqual({ id: runIdOf(1), sequence: 0 });
  });

  test('a run whose outcome is in the log makes room, before anybody has taken it in', async () => {
    await world.request(replica, 1);
    await world.end(1);
    await world.request(replica, 2);
    expect(await typesOf(1)).toEqual(['RunRequested', 'RunStarted', 'RunClosed']);
    expect(await typesOf(2)).toEqual(['RunRequested', 'RunStarted']);
  });

  test('wait in their order and start one after the other', async () => {
    for (const number of [1, 2, 3]) await world.request(replica, number, queue);
    const outcome = await world.end(1);
    await replica.endings.close(outcome);
    await replica.endings.close(outcome);
    await deliver('ClaimTaken');
    expect(await typesOf(2)).toEqual(['RunRequested', 'RunQueued', 'RunStarted']);
    expect(await typesOf(3)).toEqual(['RunRequested', 'RunQueued']);
    await replica.endings.close(await world.end(2));
    await deliver('ClaimTaken', await world.replica());
    expect(await typesOf(3)).toEqual(['RunRequested', 'RunQueued', 'RunStarted']);
  });

  test('start although the run that another replica saw before them waits again', async () => {
    const other = await world.replica();
    world.reachable = new Set(['paris-1', 'paris-2']);
    const quorum = { needed: { case: 'percent', value: 100 } as const, deferMs: 60_000n };
    const patient = { terms: { policies: { conflict: ConflictPolicy.QUEUE, quorum } } };
    await world.request(replica, 1, queue);
    await world.request(replica, 2, patient);
    await world.request(replica, 3, queue);
    await other.endings.close(await world.end(1));
    world.reachable = new Set();
    await replica.runs.advance(runIdOf(2), 'its turn has come');
    expect((await typesOf(2)).at(-1)).toBe('RunDeferred');
    await other.runs.advance(runIdOf(3), 'its turn has come');
    expect((await typesOf(3)).at(-1)).toBe('RunStarted');
  });

  test('are cancelled, or replaced while they wait, where their policy says so', async () => {
    await world.request(replica, 1);
    await world.request(replica, 2, policy(ConflictPolicy.CANCEL));
    expect(await typesOf(2)).toEqual(['RunRequested', 'RunCancelled']);
    await world.request(replica, 3, policy(ConflictPolicy.REPLACE));
    await world.request(replica, 4, policy(ConflictPolicy.REPLACE));
    expect(await typesOf(3)).toEqual(['RunRequested', 'RunQueued', 'RunCancelled']);
    expect(await typesOf(4)).toEqual(['RunRequested', 'RunQueued']);
  });

  test('that nobody asked for give way, and never wait', async () => {
    await world.request(replica, 1, {}, automaticActor);
    await expect(world.request(replica, 2, {}, automaticActor)).rejects.toThrow(RunConflict);
    await world.request(replica, 3);
    expect(await typesOf(1)).toEqual(['RunRequested', 'RunStarted', 'RunCancelled']);
    expect(await typesOf(3)).toEqual(['RunRequested', 'RunStarted']);
  });

  test('that wait are cancelled on demand, and make room', async () => {
    await world.request(replica, 1);
    await world.request(replica, 2, queue);
    await replica.runs.cancel({ runId: runIdOf(2), reason: 'no more' } as never, world.caller());
    expect(await typesOf(2)).toEqual(['RunRequested', 'RunQueued', 'RunCancelled']);
    const started = replica.runs.cancel({ runId: runIdOf(1) } as never, world.caller());
    await expect(started).rejects.toThrow(CannotCancel);
  });
});

describe('a run in waves', () => {
  const rollout = { waves: [{ members: { case: 'count', value: 1 } as const }] };

  test('begins its rollout with its claim, once, and is known to be under way', async () => {
    await world.request(replica, 1, { terms: { policies: { rollout } } });
    expect(replica.fleet.state.openRuns.get(runIdOf(1))?.situation).toBe('rolling-out');
    await deliver('ClaimTaken');
    const events = await world.log.read({ type: 'rollout', id: runIdOf(1) });
    expect(events.map(({ type }) => type)).toEqual(['RolloutStarted']);
    expect(events[0]?.data).toMatchObject({
      waves: [
        { name: '1 servers', nodes: ['paris-1'] },
        { name: 'the rest', nodes: ['paris-2'] },
      ],
    });
    await expect(world.request(replica, 2)).rejects.toThrow(RunConflict);
  });

  test('has a run for each wave that needs no claim of its own', async () => {
    await world.request(replica, 1, { terms: { policies: { rollout } } });
    const wave = { nodes: ['paris-1'], terms: { rolloutRunId: runIdOf(1), wave: 1 } };
    await world.request(replica, 2, wave, automaticActor);
    expect(await typesOf(2)).toEqual(['RunRequested', 'RunStarted']);
  });
});

describe('the budget', () => {
  test('admits so many runs, the others in the order in which they were asked for', async () => {
    await world.close();
    world = new SchedulerWorld();
    replica = await world.replica({ perOrigin: 2, perLink: 9 });
    await world.servers('paris', 'paris-1');
    for (const number of [1, 2, 3, 4]) {
      await world.site(replica, `site-${number}`);
      await world.request(replica, number, { site: `site-${number}` });
    }
    expect(await typesOf(2)).toContain('RunStarted');
    expect(await typesOf(3)).toEqual(['RunRequested', 'RunQueued']);
    expect([...replica.runs.roomSeekers()]).toEqual([]);
    await replica.endings.close(await world.end(1, 'site-1'));
    await replica.fleet.reaches(await world.log.lastSequence());
    expect([...replica.runs.roomSeekers()]).toEqual([runIdOf(3)]);
    await replica.runs.advance(runIdOf(4), 'too-early');
    await replica.runs.advance(runIdOf(3), 'room');
    expect(await typesOf(3)).toEqual(['RunRequested', 'RunQueued', 'RunStarted']);
    expect(await typesOf(4)).not.toContain('RunStarted');
  });

  test('is kept by requests that come at the same moment', async () => {
    await world.close();
    world = new SchedulerWorld();
    replica = await world.replica({ perOrigin: 9, perLink: 3 });
    await world.servers('paris', 'paris-1');
    const numbers = Array.from({ length: 10 }, (_, index) => index);
    for (const number of numbers) await world.site(replica, `site-${number}`);
    await Promise.all(
      numbers.map((number) => world.request(replica, number, { site: `site-${number}` })),
    );
    const types = await Promise.all(numbers.map(typesOf));
    expect(types.filter((each) => each.includes('RunStarted'))).toHaveLength(3);
  });
});
