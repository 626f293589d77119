import { create } from '@bufbuild/protobuf';
import { Controller, Inject } from '@nestjs/common';
import {
  type AbortRun,
  AbortRunSchema,
  type ApproveRun,
  ApproveRunSchema,
  DomainError,
  type EventType,
  type RecordedEvent,
} from '#libs/contracts/index.js';
import { type Caller, contextOf } from '#libs/nest-jetstream/context.js';
import { OnCommand, OnEvent } from '#libs/nest-jetstream/decorators.js';
import { RunCoordinator } from '../../app/run-coordinator.js';

type RunFact = RecordedEvent<
  Extract<
    EventType,
    | 'RunStarted'
    | 'ChangeSetComputed'
    | 'ChangeSetFailed'
    | 'AssignmentBuilt'
    | 'AssignmentFailed'
    | 'SegmentPrepared'
    | 'SegmentSwitched'
    | 'CommitIssued'
    | 'GoLiveApproved'
  >
>;

/** The facts that can make a run's next step due, and what people want of it. */
@Controller()
export class RunEventsConsumer {
  constructor(@Inject(RunCoordinator) private readonly coordinator: RunCoordinator) {}

  @OnEvent('RunStarted')
  runStarted(event: RecordedEvent<'RunStarted'>) {
    return this.react(event);
  }

  @OnEvent('ChangeSetComputed')
  changeSetComputed(event: RecordedEvent<'ChangeSetComputed'>) {
    return this.react(event);
  }

  @OnEvent('ChangeSetFailed')
  changeSetFailed(event: RecordedEvent<'ChangeSetFailed'>) {
    return this.react(event);
  }

  @OnEvent('AssignmentBuilt')
  assignmentBuilt(event: RecordedEvent<'AssignmentBuilt'>) {
    return this.react(event);
  }

  @OnEvent('AssignmentFailed')
  assignmentFailed(event: RecordedEvent<'AssignmentFailed'>) {
    return this.react(event);
  }

  @OnEvent('SegmentPrepared')
  segmentPrepared(event: RecordedEvent<'SegmentPrepared'>) {
    return this.react(event);
  }

  @OnEvent('SegmentSwitched')
  segmentSwitched(event: RecordedEvent<'SegmentSwitched'>) {
    return this.react(event);
  }

  @OnEvent('CommitIssued')
  commitIssued(event: RecordedEvent<'CommitIssued'>) {
    return this.react(event);
  }

  @OnEvent('GoLiveApproved')
  goLiveApproved(event: RecordedEvent<'GoLiveApproved'>) {
    return this.react(event);
  }

  /** The run of a bad wave goes no further. */
  @OnEvent('WaveFailed')
  async waveFailed({ id, data, context }: RecordedEvent<'WaveFailed'>): Promise<void> {
    const { waveRunId: runId, reason } = data;
    const caller = { actor: context.actor, commandId: `${id}/${runId}` };
    try {
      await this.coordinator.abort(create(AbortRunSchema, { runId, reason }), caller);
    } catch (error) {
      // It never started, is committed or over: then there is nothing to abort.
      if (!(error instanceof DomainError)) throw error;
    }
  }

  @OnCommand('reporting', 'AbortRun', AbortRunSchema)
  abortRun(command: AbortRun, caller: Caller) {
    return this.coordinator.abort(command, caller);
  }

  @OnCommand('reporting', 'ApproveRun', ApproveRunSchema)
  approveRun(command: ApproveRun, caller: Caller) {
    return this.coordinator.approve(command, caller);
  }

  private react(event: RunFact): Promise<void> {
    return this.coordinator.react(event, event.data.runId, contextOf(event, 'reporting'));
  }
}
