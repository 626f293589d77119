import { Controller, Inject } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import type { Clock } from '#libs/clock/clock.js';
import {
  AuditCheckpointQuerySchema,
  AuditCheckpointSchema,
  AuditedRunSchema,
  AuditedStateSchema,
  AuditedTreeSchema,
  type AuditRunQuery,
  AuditRunQuerySchema,
  type AuditStateQuery,
  AuditStateQuerySchema,
  type AuditTreeQuery,
  AuditTreeQuerySchema,
  AuditVerdictSchema,
  AuditVerifyQuerySchema,
  type RecordedEvent,
  subjects,
} from '#libs/contracts/index.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { chainStart } from '#libs/event-log/hash-chain.js';
import { isSoundCheckpoint, signHead } from '#libs/keys/audit-checkpoint.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import { OnRequest } from '#libs/nest-jetstream/decorators.js';
import { CLOCK } from '#libs/nest-jetstream/tokens.js';
import { auditedRun } from '../../audit/audited-run.js';
import { auditedState, auditedTree } from '../../audit/audited-state.js';
import { eventsUpTo } from '../../audit/place.js';
import { verifyLog } from '../../audit/verify-log.js';
import { AUDIT_KEY, DATABASE, WHOLE_LOG } from '../../tokens.js';
import { checkpoints, copiedEvents, copyHead, storeCheckpoint } from '../postgres/event-copy.js';
import { ReadModelProjection } from '../postgres/running-projections.js';
import { UnknownRun } from './queries.controller.js';

const catchUpTimeoutMs = 20_000;

/** What an auditor asks: answered from the log, not from the read models. */
@Controller()
export class AuditController {
  constructor(
    @Inject(WHOLE_LOG) private readonly log: EventLog,
    @Inject(DATABASE) private readonly database: DataSource,
    @Inject(AUDIT_KEY) private readonly key: SigningKey,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(ReadModelProjection) private readonly projection: ReadModelProjection,
  ) {}

  @OnRequest(subjects.command('reporting', 'AuditRun'), AuditRunQuerySchema, AuditedRunSchema)
  async run({ runId }: AuditRunQuery) {
    const events: RecordedEvent[] = [];
    for await (const event of this.log.replay({ afterSequence: 0 })) {
      if (event.context.correlationId === runId) events.push(event);
    }
    const run = auditedRun(events);
    if (!run) throw new UnknownRun(runId);
    return run;
  }

  @OnRequest(subjects.command('reporting', 'AuditState'), AuditStateQuerySchema, AuditedStateSchema)
  state({ at }: AuditStateQuery) {
    return auditedState(eventsUpTo(this.log, at));
  }

  @OnRequest(subjects.command('reporting', 'AuditTree'), AuditTreeQuerySchema, AuditedTreeSchema)
  tree({ site, at }: AuditTreeQuery) {
    return auditedTree(site, eventsUpTo(this.log, at, { aggregateTypes: ['shadow'] }));
  }

  @OnRequest(
    subjects.command('reporting', 'AuditVerify'),
    AuditVerifyQuerySchema,
    AuditVerdictSchema,
  )
  async verify() {
    // In this turn: the log only grows, so what is copied is in it, unless it has lost its end.
    const copied = await copyHead(this.database);
    const end = Math.max(copied, await this.log.lastSequence());
    await this.projection.eventCopy.reaches(end, catchUpTimeoutMs);
    const signed = await checkpoints(this.database);
    const forged = signed.find(
      (checkpoint) => !isSoundCheckpoint(checkpoint, [this.key.publicKey]),
    );
    if (forged) {
      const problem = 'a checkpoint is not signed by the audit key';
      return { sound: false, firstBadSequence: forged.sequence, problem };
    }
    const heads = signed.map(({ sequence, hash }) => ({ sequence: Number(sequence), hash }));
    const place = { $typeName: 'espalier.v1.LogPlace' as const, sequence: BigInt(end), timeMs: 0n };
    const copy = copiedEvents(this.database, end);
    const verdict = await verifyLog(eventsUpTo(this.log, place, { withStored: true }), copy, heads);
    return { ...verdict, keyId: this.key.keyId };
  }

  /** Signs the head as it is now. */
  @OnRequest(
    subjects.command('reporting', 'AuditCheckpoint'),
    AuditCheckpointQuerySchema,
    AuditCheckpointSchema,
  )
  async checkpoint() {
    const [head] = await this.database.query(
      'select sequence, hash from event_copy order by sequence desc limit 1',
    );
    const sequence = Number(head?.sequence ?? 0);
    const signed = signHead(this.key, sequence, head?.hash ?? chainStart, this.clock.nowMs());
    await storeCheckpoint(this.database.manager, signed);
    return signed;
  }
}
