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
import { signHead } from '#libs/keys/audit-checkpoint.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import { OnRequest } from '#libs/nest-jetstream/decorators.js';
import { CLOCK } from '#libs/nest-jetstream/tokens.js';
import { LogWatch } from '../../app/log-watch.js';
import { auditedRun } from '../../audit/audited-run.js';
import { auditedState, auditedTree } from '../../audit/audited-state.js';
import { eventsUpTo } from '../../audit/place.js';
import { AUDIT_KEY, DATABASE, WHOLE_LOG } from '../../tokens.js';
import { storeCheckpoint } from '../postgres/event-copy.js';
import { LogVerification } from '../postgres/log-verification.js';
import { UnknownRun } from './queries.controller.js';

/** What an auditor asks: answered from the log, not from the read models. */
@Controller()
export class AuditController {
  constructor(
    @Inject(WHOLE_LOG) private readonly log: EventLog,
    @Inject(DATABASE) private readonly database: DataSource,
    @Inject(AUDIT_KEY) private readonly key: SigningKey,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LogVerification) private readonly verification: LogVerification,
    @Inject(LogWatch) private readonly watch: LogWatch,
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
    const verdict = await this.verification.verify();
    this.watch.tell(verdict);
    return verdict;
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
