import { Controller, Inject } from '@nestjs/common';
import {
  type CancelRun,
  CancelRunSchema,
  type EventType,
  type PauseRollout,
  PauseRolloutSchema,
  type PromoteRollout,
  PromoteRolloutSchema,
  type RecordedEvent,
  type RequestRun,
  RequestRunSchema,
} from '#libs/contracts/index.js';
import type { Caller } from '#libs/nest-jetstream/context.js';
import { OnCommand, OnEvent } from '#libs/nest-jetstream/decorators.js';
import { AfterRuns } from '../app/after-runs.js';
import { Endings, type RunOutcome } from '../app/endings.js';
import { Rollouts } from '../app/rollouts.js';
import { type Accepted, Runs } from '../app/runs.js';
import { Tending } from '../app/tending.js';
import { WaitingRuns } from '../app/waiting-runs.js';

type RolloutFact = RecordedEvent<
  Extract<EventType, 'RolloutStarted' | 'WaveSoaking' | 'WavePassed' | 'WaveFailed'>
>;

/** What makes runs begin, wait and end, and rollouts go from wave to wave. */
@Controller()
export class RunsController {
  constructor(
    @Inject(Runs) private readonly runs: Runs,
    @Inject(Endings) private readonly endings: Endings,
    @Inject(WaitingRuns) private readonly waiting: WaitingRuns,
    @Inject(AfterRuns) private readonly after: AfterRuns,
    @Inject(Rollouts) private readonly rollouts: Rollouts,
    @Inject(Tending) private readonly tending: Tending,
  ) {}

  @OnCommand('scheduler', 'RequestRun', RequestRunSchema)
  requestRun(command: RequestRun, caller: Caller): Promise<Accepted> {
    return this.runs.request(command, caller);
  }

  @OnCommand('scheduler', 'CancelRun', CancelRunSchema)
  async cancelRun(command: CancelRun, caller: Caller): Promise<Accepted> {
    return (await this.rollouts.abort(command, caller)) ?? this.runs.cancel(command, caller);
  }

  @OnCommand('scheduler', 'PauseRollout', PauseRolloutSchema)
  pauseRollout({ runId }: PauseRollout, caller: Caller): Promise<Accepted> {
    return this.rollouts.pause(runId, caller);
  }

  @OnCommand('scheduler', 'PromoteRollout', PromoteRolloutSchema)
  promoteRollout({ runId }: PromoteRollout, caller: Caller): Promise<Accepted> {
    return this.rollouts.promote(runId, caller);
  }

  /** Its turn has come. */
  @OnEvent('ClaimTaken')
  onClaimTaken({ id, data, context }: RecordedEvent<'ClaimTaken'>): Promise<void> {
    return this.runs.advance(data.runId, id, context.traceparent);
  }

  @OnEvent('RunCompleted')
  @OnEvent('RunAborted')
  async onEnd(event: RunOutcome): Promise<void> {
    await this.endings.close(event);
    this.waiting.happened();
    if (event.type === 'RunCompleted' || event.type === 'RunPartiallyCompleted') {
      await this.after.expire(event);
    }
  }

  @OnEvent('RunPartiallyCompleted')
  @OnEvent('RunFailed')
  async onFailure(event: RecordedEvent<'RunPartiallyCompleted' | 'RunFailed'>): Promise<void> {
    await this.onEnd(event);
    await this.after.retry(event);
  }

  @OnEvent('RunClosed')
  async onClosed(event: RecordedEvent<'RunClosed'>): Promise<void> {
    this.tending.happened(event);
    await this.after.closed(event);
  }

  @OnEvent('RolloutStarted')
  @OnEvent('WaveSoaking')
  @OnEvent('WavePassed')
  @OnEvent('WaveFailed')
  onRollout({ data }: RolloutFact): Promise<void> {
    return this.rollouts.step(data.runId);
  }

  @OnEvent('WaveStarted')
  onWaveStarted(event: RecordedEvent<'WaveStarted'>): Promise<void> {
    return this.rollouts.startWave(event);
  }

  @OnEvent('RolloutRolledBack')
  onRolledBack(event: RecordedEvent<'RolloutRolledBack'>): Promise<void> {
    return this.rollouts.bringBack(event);
  }

  @OnEvent('RolloutEnded')
  onRolloutEnded(event: RecordedEvent<'RolloutEnded'>): Promise<void> {
    return this.rollouts.ended(event);
  }
}
