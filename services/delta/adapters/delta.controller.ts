import { Controller, Inject } from '@nestjs/common';
import type { Clock } from '#libs/clock/clock.js';
import type { RecordedEvent } from '#libs/contracts/index.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { contextOf } from '#libs/nest-jetstream/context.js';
import { OnEvent } from '#libs/nest-jetstream/decorators.js';
import { CLOCK, EVENT_LOG } from '#libs/nest-jetstream/tokens.js';
import { ContentPins } from '../app/content-pins.js';
import type { PublishDependencies } from '../app/dependencies.js';
import { computeChangeSet } from '../app/publish-reaction.js';
import { moveShadow, recordSnapshots, takeBackShadow } from '../app/shadow-reaction.js';

export const PUBLISH_DEPENDENCIES = Symbol('PUBLISH_DEPENDENCIES');

/** What the delta service hears. */
@Controller()
export class DeltaController {
  constructor(
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(PUBLISH_DEPENDENCIES) private readonly dependencies: PublishDependencies,
    @Inject(ContentPins) private readonly pins: ContentPins,
  ) {}

  @OnEvent('RunStarted')
  onRunStarted(event: RecordedEvent<'RunStarted'>): Promise<void> {
    return computeChangeSet(this.dependencies, event, contextOf(event, 'delta'));
  }

  @OnEvent('AssignmentBuilt')
  onAssignmentBuilt(event: RecordedEvent<'AssignmentBuilt'>): Promise<void> {
    return this.pins.built(event);
  }

  @OnEvent('WaveSoaking')
  onWaveSoaking(event: RecordedEvent<'WaveSoaking'>): Promise<void> {
    return this.pins.soaking(event);
  }

  @OnEvent('RunClosed')
  onRunClosed(event: RecordedEvent<'RunClosed'>): Promise<void> {
    return this.pins.closed(event);
  }

  @OnEvent('CommitIssued')
  async onCommitIssued(event: RecordedEvent<'CommitIssued'>): Promise<void> {
    await this.pins.committed(event);
    await moveShadow(this.log, this.clock, event, contextOf(event, 'delta'));
  }

  @OnEvent('CheckpointCreated')
  onCheckpointCreated(event: RecordedEvent<'CheckpointCreated'>): Promise<void> {
    return this.pins.checkpointed(event);
  }

  @OnEvent('CheckpointDeleted')
  onCheckpointDeleted(event: RecordedEvent<'CheckpointDeleted'>): Promise<void> {
    return this.pins.checkpointDeleted(event);
  }

  @OnEvent('RunCompleted')
  onRunCompleted(event: RecordedEvent<'RunCompleted'>): Promise<void> {
    return recordSnapshots(this.log, this.clock, event, contextOf(event, 'delta'));
  }

  @OnEvent('RunFailed')
  onRunFailed(event: RecordedEvent<'RunFailed'>): Promise<void> {
    return takeBackShadow(this.log, this.clock, event, contextOf(event, 'delta'));
  }

  @OnEvent('RunPartiallyCompleted')
  onRunPartiallyCompleted(event: RecordedEvent<'RunPartiallyCompleted'>): Promise<void> {
    return recordSnapshots(this.log, this.clock, event, contextOf(event, 'delta'));
  }
}
