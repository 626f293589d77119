import { create } from '@bufbuild/protobuf';
import type { DataSource } from 'typeorm';
import { type AuditVerdict, AuditVerdictSchema, LogPlaceSchema } from '#libs/contracts/index.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { isSoundCheckpoint } from '#libs/keys/audit-checkpoint.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import { eventsUpTo } from '../../audit/place.js';
import { type CopiedEvent, verifyLog } from '../../audit/verify-log.js';
import { checkpoints, copiedEvents, copyHead } from './event-copy.js';
import type { ReadModelProjection } from './running-projections.js';

const catchUpTimeoutMs = 20_000;

/** Compares the log with its copy in PostgreSQL. */
export class LogVerification {
  constructor(
    private readonly log: EventLog,
    private readonly database: DataSource,
    private readonly key: SigningKey,
    private readonly projection: ReadModelProjection,
  ) {}

  /** All events, hashes and signed heads. */
  async verify(): Promise<AuditVerdict> {
    // In this turn: the log only grows, so what is copied is in it, unless it has lost its end.
    const copied = await copyHead(this.database);
    const end = Math.max(copied, await this.log.lastSequence());
    await this.projection.eventCopy.reaches(end, catchUpTimeoutMs);
    const signed = await checkpoints(this.database);
    const forged = signed.find((head) => !isSoundCheckpoint(head, [this.key.publicKey]));
    if (forged) {
      const problem = 'a checkpoint is not signed by the audit key';
      const { sequence: firstBadSequence } = forged;
      return create(AuditVerdictSchema, { sound: false, firstBadSequence, problem });
    }
    const heads = signed.map(({ sequence, hash }) => ({ sequence: Number(sequence), hash }));
    const place = create(LogPlaceSchema, { sequence: BigInt(end) });
    const events = eventsUpTo(this.log, place, { withStored: true });
    const verdict = await verifyLog(events, copiedEvents(this.database, end), heads);
    return { ...verdict, keyId: this.key.keyId };
  }

  /**
   * A quick look at the place up to which the log was copied. A server that finds a damaged block
   * when it starts cuts the log off there, and numbers what comes next from there again.
   * @returns what is wrong there
   */
  async problemAtHead(): Promise<string | undefined> {
    const head = await copyHead(this.database);
    if (head === 0) return undefined;
    const last = await this.log.lastSequence();
    if (last < head) {
      return `the log ends at event ${last}, its second copy at ${head}: the rest is lost`;
    }
    for await (const copied of copiedEvents(this.database, head, head - 1)) {
      return this.problemAt(copied);
    }
    return undefined;
  }

  private async problemAt({ sequence, body }: CopiedEvent): Promise<string | undefined> {
    const filter = { afterSequence: sequence - 1, withStored: true };
    for await (const event of this.log.replay(filter)) {
      if (event.sequence !== sequence) break;
      if (event.stored === body) return undefined;
      return `event ${sequence} is another in the log than in its second copy`;
    }
    return `event ${sequence} is missing in the log`;
  }
}
