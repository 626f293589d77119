import { beforeEach, describe, expect, test } from '@jest/globals';
import { type DomainEvent, event } from '#libs/contracts/index.js';
import { type Aggregate, execute, load } from './aggregate.js';
import { type EventLog, noEvents, VersionConflict } from './event-log.js';
import { memoryLog } from './memory-log.js';

/** Counts its events. */
const counter: Aggregate<number, 'count', DomainEvent<'SiteEdited'>> = {
  type: 'site',
  initial: 0,
  evolve: (count) => count + 1,
  decide: () => [event('SiteEdited', { site: 'www' })],
};
const context = (causationId: string) => ({ actor: 'test', correlationId: 'www', causationId });

let log: EventLog;
/** How many events each read gave. */
let reads: number[];

beforeEach(() => {
  const memory = memoryLog();
  reads = [];
  log = {
    ...memory,
    append: (...given) => memory.append(...given),
    read: async (...given) => {
      const events = await memory.read(...given);
      reads.push(events.length);
      return events;
    },
  };
});

const count = (causationId: string, on = log) =>
  execute(on, counter, 'www', 'count', context(causationId), 0);

describe('an aggregate', () => {
  test('that was loaded before is read on from there', async () => {
    for (let time = 1; time <= 5; time++) await count(`${time}`);
    expect(await load(log, counter, 'www')).toMatchObject({ state: 5, head: { version: 5 } });
    expect(reads).toEqual([0, 1, 1, 1, 1, 1]);
  });

  test('is read from its beginning by who has not seen it', async () => {
    for (let time = 1; time <= 5; time++) await count(`${time}`);
    const again = { ...counter };
    expect(await load(log, again, 'www')).toMatchObject({ state: 5 });
    expect(reads.at(-1)).toBe(5);
  });

  test('is decided anew when somebody else appended in between', async () => {
    let races = 2;
    const racing: EventLog = {
      ...log,
      append: async (...given) => {
        if (races-- > 0) await count(`other ${races}`);
        return log.append(...given);
      },
    };
    expect(await count('own', racing)).toMatchObject([{ version: 3 }]);
    expect(await load(log, counter, 'www')).toMatchObject({ state: 3 });
  });

  test('is given up after twenty lost races', async () => {
    let attempts = 0;
    const lost: EventLog = {
      ...log,
      append: async (aggregate) => {
        attempts += 1;
        throw new VersionConflict(aggregate, noEvents);
      },
    };
    await expect(count('own', lost)).rejects.toThrow(VersionConflict);
    expect(attempts).toBe(20);
  });
});
