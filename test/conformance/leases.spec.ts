import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import {
  leasesTable,
  membersTable,
  postgresLeases,
  type Sql,
} from '#libs/event-log/adapters/postgres-leases.js';
import { LeaseLost, type PartitionLeases } from '#libs/event-log/leases.js';
import { memoryLeases, memoryTransaction } from '#libs/event-log/memory-leases.js';
import { type TestPostgres, withPostgres } from '../support/servers.js';

interface LeasesUnderTest<Transaction> {
  readonly leases: PartitionLeases<Transaction>;
  transaction(work: (transaction: Transaction) => Promise<void>): Promise<void>;
}

const longMs = 60_000;
let serial = 0;

const newConsumer = () => `consumer-${++serial}`;

function leasesSuite<Transaction>(name: string, open: () => LeasesUnderTest<Transaction>): void {
  describe(`partition leases: ${name}`, () => {
    holdingTests(() => open().leases);
    positionTests(open);
  });
}

function holdingTests(open: () => PartitionLeases<unknown>): void {
  let leases: PartitionLeases<unknown>;
  beforeAll(() => {
    leases = open();
  });

  it('gives a partition to one holder at a time', async () => {
    const consumer = newConsumer();
    const mine = await leases.acquire(consumer, 'a', [1, 2], longMs);
    expect(mine).toEqual([
      { partition: 1, fencingToken: 1, position: 0 },
      { partition: 2, fencingToken: 1, position: 0 },
    ]);
    const others = await leases.acquire(consumer, 'b', [1, 2, 3], longMs);
    expect(others.map(({ partition }) => partition)).toEqual([3]);
    expect(await leases.acquire(newConsumer(), 'b', [1], longMs)).toHaveLength(1);
  });

  it('gives a released and an expired partition to the next, with a higher token', async () => {
    const consumer = newConsumer();
    const [released] = await leases.acquire(consumer, 'a', [1], longMs);
    await leases.release(consumer, 'a', released ? [released] : []);
    await leases.acquire(consumer, 'a', [2], 0);
    const taken = await leases.acquire(consumer, 'b', [1, 2], longMs);
    expect(taken.map(({ fencingToken }) => fencingToken)).toEqual([2, 2]);
  });

  it('knows the replicas that live, until they leave or fall silent', async () => {
    const consumer = newConsumer();
    expect(await leases.join(consumer, 'b', longMs)).toEqual(['b']);
    expect(await leases.join(consumer, 'a', longMs)).toEqual(['a', 'b']);
    expect(await leases.join(consumer, 'c', 0)).toEqual(['a', 'b', 'c']);
    expect(await leases.join(consumer, 'a', longMs)).toEqual(['a', 'b']);
    await leases.leave(consumer, 'b');
    expect(await leases.join(consumer, 'a', longMs)).toEqual(['a']);
    expect(await leases.join(newConsumer(), 'z', longMs)).toEqual(['z']);
  });

  it('renews what is still held and leaves out what is lost', async () => {
    const consumer = newConsumer();
    const held = await leases.acquire(consumer, 'a', [1, 2], 0);
    await leases.acquire(consumer, 'b', [2], longMs);
    const kept = await leases.renew(consumer, 'a', held, longMs);
    expect(kept.map(({ partition }) => partition)).toEqual([1]);
    expect(await leases.acquire(consumer, 'b', [1], longMs)).toEqual([]);
  });
}

function positionTests<Transaction>(open: () => LeasesUnderTest<Transaction>): void {
  let leases: PartitionLeases<Transaction>;
  let transaction: LeasesUnderTest<Transaction>['transaction'];
  beforeAll(() => {
    ({ leases, transaction } = open());
  });

  it('moves a position in the transaction of its effect', async () => {
    const consumer = newConsumer();
    const held = await leases.acquire(consumer, 'a', [1, 2], longMs);
    await transaction((open) => leases.movePositions(open, consumer, held, 7));
    await transaction((open) => leases.movePosition(open, consumer, 1, 1, 7, 9));
    expect(await leases.position(consumer)).toBe(7);
    const undone = transaction(async (open) => {
      await leases.movePosition(open, consumer, 2, 1, 7, 9);
      throw new Error('the effect failed');
    });
    await expect(undone).rejects.toThrow('the effect failed');
    expect(await leases.position(consumer)).toBe(7);
    await leases.release(consumer, 'a', held);
    const next = await leases.acquire(consumer, 'b', [1, 2], longMs);
    expect(next.map(({ position }) => position)).toEqual([9, 7]);
  });

  it('moves nothing for who has lost its lease, or is not where it thinks', async () => {
    const consumer = newConsumer();
    const held = await leases.acquire(consumer, 'a', [1, 2], 0);
    await leases.acquire(consumer, 'b', [2], longMs);
    const moving = transaction((open) => leases.movePositions(open, consumer, held, 5));
    await expect(moving).rejects.toThrow(LeaseLost);
    await expect(moving).rejects.toThrow('partition 2 ');
    const leaping = transaction((open) => leases.movePosition(open, consumer, 1, 1, 3, 5));
    await expect(leaping).rejects.toThrow(LeaseLost);
    expect(await leases.position(consumer)).toBe(0);
  });

  it('is at the beginning for a consumer that nobody knows', async () => {
    expect(await leases.position(newConsumer())).toBe(0);
  });
}

leasesSuite('memory', () => ({
  leases: memoryLeases(systemClock),
  transaction: memoryTransaction,
}));

describe('on a server', () => {
  let server: TestPostgres;
  let pool: pg.Pool;

  beforeAll(async () => {
    server = await withPostgres();
    pool = new pg.Pool({ connectionString: server.url });
    // Connections that end with their server, after the tests.
    pool.on('error', () => undefined);
    await pool.query(leasesTable);
    await pool.query(membersTable);
  });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });

  async function transaction(work: (sql: Sql) => Promise<void>): Promise<void> {
    const client = await pool.connect();
    try {
      await client.query('begin');
      await work(client);
      await client.query('commit');
    } catch (error) {
      await client.query('rollback');
      throw error;
    } finally {
      client.release();
    }
  }

  leasesSuite('PostgreSQL', () => ({ leases: postgresLeases(pool), transaction }));
});
