import { Controller, Inject } from '@nestjs/common';
import type { Clock } from '#libs/clock/clock.js';
import {
  CheckpointVerificationSchema,
  type DeleteCheckpoint,
  DeleteCheckpointSchema,
  type DiffQuery,
  DiffQuerySchema,
  type HistoryQuery,
  HistoryQuerySchema,
  type PinCheckpoint,
  PinCheckpointSchema,
  SiteDiffSchema,
  SiteHistorySchema,
  subjects,
  type VerifyCheckpoint,
  VerifyCheckpointSchema,
} from '#libs/contracts/index.js';
import { execute } from '#libs/event-log/aggregate.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { type Caller, commandContext } from '#libs/nest-jetstream/context.js';
import { OnCommand, OnRequest } from '#libs/nest-jetstream/decorators.js';
import { CLOCK, EVENT_LOG } from '#libs/nest-jetstream/tokens.js';
import { SiteVersions } from '../app/site-history.js';
import { type CheckpointCommand, checkpointAggregate } from '../domain/checkpoint.js';

/** Versions and checkpoints of sites: questions and commands. */
@Controller()
export class VersionsController {
  constructor(
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SiteVersions) private readonly versions: SiteVersions,
  ) {}

  @OnRequest(subjects.command('delta', 'History'), HistoryQuerySchema, SiteHistorySchema)
  history({ site }: HistoryQuery) {
    return this.versions.history(site);
  }

  @OnRequest(subjects.command('delta', 'Diff'), DiffQuerySchema, SiteDiffSchema)
  diff({ site, from, to }: DiffQuery) {
    return this.versions.diff(site, from, to);
  }

  @OnRequest(
    subjects.command('delta', 'VerifyCheckpoint'),
    VerifyCheckpointSchema,
    CheckpointVerificationSchema,
  )
  verify({ site, checkpoint }: VerifyCheckpoint) {
    return this.versions.verify(site, checkpoint);
  }

  @OnCommand('delta', 'PinCheckpoint', PinCheckpointSchema)
  pin({ site, checkpoint, pinned }: PinCheckpoint, caller: Caller) {
    return this.change({ type: 'pin', site, checkpoint, pinned }, caller);
  }

  @OnCommand('delta', 'DeleteCheckpoint', DeleteCheckpointSchema)
  remove({ site, checkpoint }: DeleteCheckpoint, caller: Caller) {
    return this.change({ type: 'delete', site, checkpoint }, caller);
  }

  private async change(
    command: Extract<CheckpointCommand, { site: string }>,
    caller: Caller,
  ): Promise<{ id: string; sequence: number }> {
    const { site, checkpoint } = command;
    const context = commandContext(caller, caller.commandId);
    const nowMs = this.clock.nowMs();
    const events = await execute(this.log, checkpointAggregate, site, command, context, nowMs);
    return { id: checkpoint, sequence: events.at(-1)?.sequence ?? 0 };
  }
}
