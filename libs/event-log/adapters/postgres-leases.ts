import { type Lease, LeaseLost, type PartitionLeases } from '../leases.js';

/** A connection or a transaction: a client of `pg`, or a query runner or manager of TypeORM. */
export interface Sql {
  query(sql: string, parameters: unknown[]): Promise<unknown>;
}

/** The table, for a migration. Positions are sequences of the log; the log can rebuild the rest. */
export const leasesTable = `
create table if not exists partition_lease (
  consumer text not null,
  partition integer not null,
  holder text,
  fencing_token bigint not null,
  expires_at timestamptz not null,
  position bigint not null default 0,
  primary key (consumer, partition)
)`;

/** The table of the replicas that share a consumer's partitions, for a migration. */
export const membersTable = `
create table if not exists partition_member (
  consumer text not null,
  holder text not null,
  expires_at timestamptz not null,
  primary key (consumer, holder)
)`;

/**
 * Leases as rows of PostgreSQL, by the clock of the database.
 * @param database for what needs no transaction of the caller
 */
export function postgresLeases<Transaction extends Sql = Sql>(
  database: Sql,
): PartitionLeases<Transaction> {
  const leases: PartitionLeases<Transaction> = {
    async join(consumer, holder, ttlMs) {
      const result = await database.query(joinSql, [consumer, holder, ttlMs]);
      return rowsOf(result).map((row) => String(row.holder));
    },

    async leave(consumer, holder) {
      await database.query(leaveSql, [consumer, holder]);
    },

    async acquire(consumer, holder, partitions, ttlMs) {
      const result = await database.query(acquireSql, [consumer, holder, [...partitions], ttlMs]);
      return rowsOf(result).map(leaseOf);
    },

    async renew(consumer, holder, held, ttlMs) {
      const result = await database.query(renewSql, [consumer, holder, ...columns(held), ttlMs]);
      return rowsOf(result).map(leaseOf);
    },

    async release(consumer, holder, held) {
      await database.query(releaseSql, [consumer, holder, ...columns(held)]);
    },

    async movePosition(open, consumer, partition, fencingToken, from, to) {
      const lease = { partition, fencingToken, position: from };
      await leases.movePositions(open, consumer, [lease], to);
    },

    async movePositions(open, consumer, held, to) {
      const positions = held.map(({ position }) => position);
      const parameters = [consumer, ...columns(held), positions, to];
      const result = await open.query(moveSql, parameters);
      const moved = new Set(rowsOf(result).map(({ partition }) => Number(partition)));
      const lost = held.map(({ partition }) => partition).filter((one) => !moved.has(one));
      if (lost.length > 0) throw new LeaseLost(consumer, lost);
    },

    async position(consumer) {
      const [row] = rowsOf(await database.query(positionSql, [consumer]));
      return Number(row?.position ?? 0);
    },
  };
  return leases;
}

// Each statement ends in a select, because drivers agree on the result of a select only.
const joinSql = `
with joined as (
  insert into partition_member (consumer, holder, expires_at)
  values ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
  on conflict (consumer, holder) do update set expires_at = excluded.expires_at
  returning holder
), gone as (
  delete from partition_member where consumer = $1 and holder <> $2
    and expires_at <= clock_timestamp() - interval '1 minute'
)
select holder from joined union
select holder from partition_member where consumer = $1 and expires_at > clock_timestamp()
order by holder`;

const leaveSql = `
with left_over as (
  delete from partition_member where consumer = $1 and holder = $2 returning holder
)
select holder from left_over`;

const acquireSql = `
with taken as (
  insert into partition_lease as lease (consumer, partition, holder, fencing_token, expires_at)
  select $1, wanted, $2, 1, clock_timestamp() + $4 * interval '1 millisecond'
  from unnest($3::integer[]) as wanted order by wanted
  on conflict (consumer, partition) do update
  set holder = excluded.holder, fencing_token = lease.fencing_token + 1,
    expires_at = excluded.expires_at
  where lease.holder is null or lease.holder = excluded.holder
    or lease.expires_at <= clock_timestamp()
  returning lease.partition, lease.fencing_token, lease.position
)
select partition, fencing_token, position from taken order by partition`;

const renewSql = `
with renewed as (
  update partition_lease as lease
  set expires_at = clock_timestamp() + $5 * interval '1 millisecond'
  from unnest($3::integer[], $4::bigint[]) as held (partition, token)
  where lease.consumer = $1 and lease.holder = $2
    and lease.partition = held.partition and lease.fencing_token = held.token
  returning lease.partition, lease.fencing_token, lease.position
)
select partition, fencing_token, position from renewed order by partition`;

const releaseSql = `
with released as (
  update partition_lease as lease set holder = null
  from unnest($3::integer[], $4::bigint[]) as held (partition, token)
  where lease.consumer = $1 and lease.holder = $2
    and lease.partition = held.partition and lease.fencing_token = held.token
  returning lease.partition
)
select partition from released`;

const moveSql = `
with moved as (
  update partition_lease as lease set position = greatest(lease.position, $5)
  from unnest($2::integer[], $3::bigint[], $4::bigint[]) as held (partition, token, position)
  where lease.consumer = $1 and lease.partition = held.partition
    and lease.fencing_token = held.token and lease.position = held.position
  returning lease.partition
)
select partition from moved`;

const positionSql = `
select coalesce(min(position), 0) as position from partition_lease where consumer = $1`;

function columns(leases: readonly Lease[]): [number[], number[]] {
  return [leases.map(({ partition }) => partition), leases.map(({ fencingToken }) => fencingToken)];
}

type Row = Readonly<Record<string, unknown>>;

/** The rows of a result: of `pg` an object that has them, of TypeORM the rows themselves. */
function rowsOf(result: unknown): Row[] {
  return Array.isArray(result) ? result : (result as { rows: Row[] }).rows;
}

function leaseOf(row: Row): Lease {
  return {
    partition: Number(row.partition),
    fencingToken: Number(row.fencing_token),
    position: Number(row.position),
  };
}
