import { randomUUID } from 'node:crypto';
import type { DataSource, EntityManager } from 'typeorm';
import type { Clock } from '#libs/clock/clock.js';
import { DomainError } from '#libs/contracts/index.js';
import { postgresLeases } from '#libs/event-log/adapters/postgres-leases.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { runProjection } from '#libs/event-log/projection-runner.js';
import { tables } from '../../read-models/change.js';
import { readModels } from './projections.js';

const rebuildName = `${readModels.name}-rebuild`;
const patienceMs = 30 * 60_000;
const lockTimeoutMs = 5_000;
const attempts = 5;

export class RebuildUnderWay extends DomainError {
  override readonly name = 'RebuildUnderWay';
  constructor() {
    super('the read models are being rebuilt already', 'wait for its end and try again');
  }
}

export interface Rebuilt {
  /** Log sequence up to which the new read models were written when they took over. */
  readonly sequence: number;
  readonly durationMs: number;
  /** Row for row as the ones before; undefined where those were at another place in the log. */
  readonly equal: boolean | undefined;
}

/**
 * Builds the read models anew from the beginning of the log, beside those that answer queries, and
 * puts them in their place in one transaction.
 * @throws RebuildUnderWay
 */
export async function rebuildReadModels(
  database: DataSource,
  log: EventLog,
  clock: Clock,
): Promise<Rebuilt> {
  const startedMs = clock.nowMs();
  const leases = postgresLeases<EntityManager>(database);
  const holder = randomUUID();
  const others = await leases.join(rebuildName, holder, 3_000);
  if (others.length > 1) throw new RebuildUnderWay();
  await prepare(database);
  const running = runProjection(
    { ...readModels, name: rebuildName },
    {
      log,
      leases,
      clock,
      holder,
      transaction: (work) =>
        database.transaction(async (transaction) => {
          await transaction.query(
            'set local search_path to rebuilding, public; set local synchronous_commit to off',
          );
          await work(transaction);
        }),
    },
  );
  try {
    await running.reaches(await log.lastSequence(), patienceMs);
  } finally {
    await running.close();
  }
  const taken = await takeOver(database);
  return { ...taken, durationMs: clock.nowMs() - startedMs };
}

/** Empty tables of the same shape, in a schema of their own. */
async function prepare(database: DataSource): Promise<void> {
  await database.transaction(async (transaction) => {
    await transaction.query('drop schema if exists rebuilding cascade; create schema rebuilding');
    for (const table of tables) {
      await transaction.query(
        `create table rebuilding.${table} (like public.${table} including all)`,
      );
    }
    await transaction.query('delete from partition_lease where consumer = $1', [rebuildName]);
  });
}

/** The new tables take the place of the old ones; who writes the old ones has lost its leases. */
async function takeOver(database: DataSource) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await database.transaction(exchange);
    } catch (error) {
      // Somebody reads or writes for long: the lock was not had in time.
      if (attempt === attempts) throw error;
    }
  }
}

async function exchange(transaction: EntityManager) {
  await transaction.query(`set local lock_timeout to ${lockTimeoutMs}`);
  await transaction.query(
    `lock table ${tables.map((table) => `public.${table}`).join(', ')} in access exclusive mode`,
  );
  const equal = await isEqual(transaction);
  for (const table of tables) {
    await transaction.query(`drop table public.${table}`);
    await transaction.query(`alter table rebuilding.${table} set schema public`);
  }
  await transaction.query(
    `update partition_lease as live set position = rebuilt.position,
      fencing_token = live.fencing_token + 1, holder = null
    from partition_lease as rebuilt
    where live.consumer = $1 and rebuilt.consumer = $2 and live.partition = rebuilt.partition`,
    [readModels.name, rebuildName],
  );
  const [place] = await transaction.query<{ sequence: string }[]>(
    `with gone as (delete from partition_lease where consumer = $1 returning position)
    select min(position) as sequence from gone`,
    [rebuildName],
  );
  await transaction.query('drop schema rebuilding');
  return { sequence: Number(place?.sequence ?? 0), equal };
}

/** Whether both read models have the same rows; undefined when they are at different places. */
async function isEqual(transaction: EntityManager): Promise<boolean | undefined> {
  const places = await transaction.query<unknown[]>(
    'select distinct position from partition_lease where consumer in ($1, $2)',
    [readModels.name, rebuildName],
  );
  if (places.length !== 1) return undefined;
  for (const table of tables) {
    const [live, rebuilt] = await Promise.all(
      ['public', 'rebuilding'].map((schema) => checksum(transaction, `${schema}.${table}`)),
    );
    if (live !== rebuilt) return false;
  }
  return true;
}

/** A sum over all rows, whatever their order. */
export async function checksum(
  database: Pick<EntityManager, 'query'>,
  table: string,
): Promise<string> {
  const [row] = await database.query<{ sum: string }[]>(
    `select count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)), 0) as sum
    from ${table} as t`,
  );
  return row?.sum ?? '';
}
