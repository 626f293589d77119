import { create } from '@bufbuild/protobuf';
import type { DataSource, EntityManager } from 'typeorm';
import type { Clock } from '#libs/clock/clock.js';
import {
  type AuditCheckpoint,
  AuditCheckpointSchema,
  type RecordedEvent,
  toCloudEvent,
} from '#libs/contracts/index.js';
import { chainHash, chainStart } from '#libs/event-log/hash-chain.js';
import type { Projection } from '#libs/event-log/projection.js';
import { signHead } from '#libs/keys/audit-checkpoint.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import type { CopiedEvent } from '../../audit/verify-log.js';

const signEveryMs = 60_000;
const rowsPerRead = 1_000;

interface CopyRow {
  readonly sequence: string;
  readonly body: string;
  readonly hash: Buffer;
}

interface CheckpointRow {
  readonly sequence: string;
  readonly hash: Buffer;
  readonly signed_at_ms: string;
  readonly signature: Buffer;
  readonly public_key: Buffer;
}

/** The second copy of the log: in its order, hash-chained, its head signed at intervals. */
export function eventCopy(key: SigningKey, clock: Clock): Projection<EntityManager> {
  return {
    name: 'event-copy-1',
    inLogOrder: true,
    withStored: true,
    async apply(transaction, events) {
      const newest = await transaction.query<CopyRow[]>(
        'select hash from event_copy order by sequence desc limit 1',
      );
      const rows = chain(events, newest[0]?.hash ?? chainStart);
      const head = rows.at(-1);
      if (!head) return;
      await transaction.query(insertRows, [
        rows.map(({ sequence }) => sequence),
        rows.map(({ id }) => id),
        rows.map(({ type }) => type),
        rows.map(({ owner }) => owner),
        rows.map(({ correlation }) => correlation),
        rows.map(({ body }) => body),
        rows.map(({ hash }) => hash),
      ]);
      await signWhenDue(transaction, key, head.sequence, head.hash, clock.nowMs());
    },
  };
}

const insertRows = `insert into event_copy select * from unnest($1::bigint[], $2::text[],
  $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[])`;

/** The rows of events that follow the one with the hash `before`. */
function chain(events: readonly RecordedEvent[], before: Uint8Array) {
  let previous = before;
  return events.map((event) => {
    const { sequence, id, type, aggregate, context } = event;
    const body = event.stored ?? JSON.stringify(toCloudEvent(event));
    previous = chainHash(previous, sequence, body);
    const owner = `${aggregate.type}.${aggregate.id}`;
    return {
      sequence,
      id,
      type,
      owner,
      correlation: context.correlationId,
      body,
      hash: Buffer.from(previous),
    };
  });
}

async function signWhenDue(
  transaction: EntityManager,
  key: SigningKey,
  sequence: number,
  hash: Uint8Array,
  nowMs: number,
): Promise<void> {
  const [last] = await transaction.query<{ at: string | null }[]>(
    'select max(signed_at_ms) as at from audit_checkpoint',
  );
  if (nowMs - Number(last?.at ?? 0) < signEveryMs) return;
  await storeCheckpoint(transaction, signHead(key, sequence, hash, nowMs));
}

export async function storeCheckpoint(
  database: Pick<EntityManager, 'query'>,
  { sequence, hash, signedAtMs, signature, publicKey }: AuditCheckpoint,
): Promise<void> {
  await database.query(
    'insert into audit_checkpoint values ($1, $2, $3, $4, $5) on conflict do nothing',
    [sequence.toString(), hash, signedAtMs.toString(), signature, publicKey],
  );
}

/** Sequence of the newest copied event; 0 when there is none. */
export async function copyHead(database: DataSource): Promise<number> {
  const [row] = await database.query('select max(sequence) as sequence from event_copy');
  return Number(row?.sequence ?? 0);
}

/** The copy of a stretch of the log, oldest first, in bounded memory. */
export async function* copiedEvents(
  database: DataSource,
  upToSequence: number,
  afterSequence = 0,
): AsyncGenerator<CopiedEvent> {
  for (let after = afterSequence; ; ) {
    const rows: CopyRow[] = await database.query(
      `select sequence, body, hash from event_copy
      where sequence > $1 and sequence <= $2 order by sequence limit ${rowsPerRead}`,
      [after, upToSequence],
    );
    for (const { sequence, body, hash } of rows) {
      yield { sequence: Number(sequence), body, hash };
      after = Number(sequence);
    }
    if (rows.length < rowsPerRead) return;
  }
}

/** All signed heads, oldest first. */
export async function checkpoints(database: DataSource): Promise<AuditCheckpoint[]> {
  const rows: CheckpointRow[] = await database.query(
    'select * from audit_checkpoint order by sequence',
  );
  return rows.map((row) =>
    create(AuditCheckpointSchema, {
      sequence: BigInt(row.sequence),
      hash: row.hash,
      signedAtMs: BigInt(row.signed_at_ms),
      signature: row.signature,
      publicKey: row.public_key,
    }),
  );
}
