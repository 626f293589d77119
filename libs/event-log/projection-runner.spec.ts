import { afterEach, describe, expect, it } from '@jest/globals';
import { event, type RecordedEvent } from '#libs/contracts/index.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { type EventLog, noEvents } from './event-log.js';
import { LeaseLost } from './leases.js';
import { type MemoryTransaction, memoryLeases, memoryTransaction } from './memory-leases.js';
import { memoryLog } from './memory-log.js';
import { type RunningProjection, runProjection } from './projection-runner.js';

const leaseTtlMs = 30_000;
const running: RunningProjection[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((projection) => projection.close()));
});

function world(isBad: (names: readonly string[]) => boolean = () => false) {
  const clock = new VirtualClock();
  const log = memoryLog();
  const leases = memoryLeases(clock);
  const rows: string[] = [];
  const errors: unknown[] = [];
  const parked: string[] = [];
  let failing = 0;

  function start(holder: string) {
    const projection = {
      name: 'sites',
      async apply(transaction: MemoryTransaction, events: readonly RecordedEvent[]) {
        if (failing > 0) {
          failing -= 1;
          throw new Error('database away');
        }
        const names = events.map(({ aggregate }) => aggregate.id);
        if (isBad(names)) throw new Error('it never works');
        transaction.effects.push(() => void rows.push(...names));
      },
    };
    const started = runProjection(projection, {
      log,
      leases,
      clock,
      holder,
      transaction: memoryTransaction,
      onError: (error) => errors.push(error),
      isPassing: (error) => String(error).includes('away'),
      parking: {
        parked: async () => new Set(parked.map((line) => `site.${line.split(' ')[0]}`)),
        park: async (transaction, _consumer, { aggregate }, reason) => {
          transaction.effects.push(() => void parked.push(`${aggregate.id} ${reason}`));
        },
      },
    });
    running.push(started);
    return started;
  }
  return {
    clock,
    log,
    leases,
    rows,
    errors,
    parked,
    start,
    fail: (times: number) => (failing = times),
  };
}

async function createSites(log: EventLog, ...names: string[]): Promise<number> {
  let sequence = 0;
  for (const name of names) {
    const context = { actor: 'test', correlationId: 'c', causationId: name };
    const events = [event('SiteCreated', { site: name })];
    const [recorded] = await log.append({ type: 'site', id: name }, noEvents, events, context, 0);
    sequence = recorded?.sequence ?? 0;
  }
  return sequence;
}

/** One more event of a site. */
async function append(log: EventLog, name: string, causationId: string): Promise<void> {
  const aggregate = { type: 'site', id: name } as const;
  const { sequence, version } = (await log.read(aggregate)).at(-1) ?? noEvents;
  const context = { actor: 'test', correlationId: 'c', causationId };
  const events = [event('SiteCreated', { site: name })];
  await log.append(aggregate, { sequence, version }, events, context, 0);
}

/** Lets what is ready run, then moves time, until the condition holds. */
async function until(clock: VirtualClock, isTrue: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000 && !isTrue(); turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (turn % 10 === 9) clock.advance(200);
  }
  expect(isTrue()).toBe(true);
}

describe('projection runner', () => {
  it('applies what is in the log and what comes, each event once', async () => {
    const { clock, log, rows, start } = world();
    await createSites(log, 'a', 'b');
    const projection = start('one');
    await until(clock, () => rows.length === 2);
    const last = await createSites(log, 'c');
    const reached = projection.reaches(last, 1000);
    await until(clock, () => rows.length === 3);
    expect(rows).toEqual(['a', 'b', 'c']);
    expect(await reached).toBe(true);
    expect(await projection.position()).toBe(last);
  });

  it('says so when the read model is not there in time', async () => {
    const { clock, start } = world();
    let answer: boolean | undefined;
    void start('one')
      .reaches(5, 1000)
      .then((reached) => {
        answer = reached;
      });
    await until(clock, () => answer !== undefined);
    expect(answer).toBe(false);
  });

  it('stands by while another replica works and goes on where that one stopped', async () => {
    const { clock, log, rows, start } = world();
    const first = start('one');
    await createSites(log, 'a', 'b');
    await until(clock, () => rows.length === 2);
    const second = start('two');
    await first.close();
    await createSites(log, 'c');
    await until(clock, () => rows.length === 3);
    expect(rows).toEqual(['a', 'b', 'c']);
    expect(await second.position()).toBe(3);
  });

  it('shares the partitions with a replica that comes, until it goes', async () => {
    const { clock, log, rows, start } = world();
    const first = start('one');
    await until(clock, () => first.partitions().length === 64);
    const second = start('two');
    await until(clock, () => second.partitions().length === 32);
    expect(first.partitions()).toHaveLength(32);
    const names = Array.from({ length: 40 }, (_, index) => `site-${index}`);
    const last = await createSites(log, ...names);
    await until(clock, () => rows.length === 40);
    expect([...rows].sort()).toEqual([...names].sort());
    const reached = [first.reaches(last, 5_000), second.reaches(last, 5_000)];
    await until(clock, () => rows.length === 40);
    clock.advance(100);
    expect(await Promise.all(reached)).toEqual([true, true]);
    await second.close();
    await until(clock, () => first.partitions().length === 64);
  });

  it('parks what it cannot apply and what follows of its aggregate', async () => {
    const { clock, log, rows, parked, start } = world((names) => names.includes('bad'));
    start('one');
    await createSites(log, 'a', 'bad', 'c');
    await append(log, 'bad', 'bad-again');
    await createSites(log, 'd');
    await until(clock, () => rows.length === 3 && parked.length === 2);
    expect(rows).toEqual(['a', 'c', 'd']);
    expect(parked).toEqual(['bad Error: it never works', 'bad follows a parked one']);
  });

  it('goes on after a failure without leaving out or repeating anything', async () => {
    const { clock, log, rows, errors, start, fail } = world();
    fail(2);
    start('one');
    await createSites(log, 'a', 'b');
    await until(clock, () => rows.length === 2);
    expect(rows).toEqual(['a', 'b']);
    expect(errors).toHaveLength(2);
  });

  it('writes nothing more once its lease has gone to another', async () => {
    const { clock, log, leases, rows, errors, start } = world();
    start('one');
    await createSites(log, 'a');
    await until(clock, () => rows.length === 1);
    const all = Array.from({ length: 64 }, (_, partition) => partition);
    clock.advance(1);
    const stolen = await steal();
    expect(stolen).toHaveLength(64);
    await createSites(log, 'b');
    await until(clock, () => errors.length > 0);
    expect(errors[0]).toBeInstanceOf(LeaseLost);
    expect(rows).toEqual(['a']);

    /** As a replica would whose clock says that the lease is over. */
    async function steal() {
      const held = await leases.acquire('sites', 'one', all, 0);
      expect(held).toHaveLength(64);
      return leases.acquire('sites', 'two', all, 10 * leaseTtlMs);
    }
  });
});
