import { type Cancel, type Clock, scheduleTogether } from '#libs/clock/clock.js';
import type { LogView } from '#libs/event-log/log-view.js';
import { type Logger, reasonOf } from '#libs/telemetry/logger.js';
import { deadlineOf } from '../domain/begin.js';
import type { Fleet } from '../domain/fleet.js';
import type { OpenRun } from '../domain/open-runs.js';
import type { Endings } from './endings.js';
import type { Rollouts } from './rollouts.js';
import type { Runs } from './runs.js';

const lookEveryMs = 600;
const quorumLookEveryMs = 5_000;
const settleEveryMs = 15_000;
/** A run without a word on what becomes of it: who asked for it crashed. */
const abandonedAfterMs = 10_000;

/** Looks at runs that wait: for a time, for servers, for room, for a wave, for a run to end. */
export class WaitingRuns {
  private cancel: Cancel | undefined;
  private lookedForServersMs = 0;
  private settledMs = 0;
  private isClosed = false;
  private isLooking = false;

  constructor(
    private readonly fleet: Pick<LogView<Fleet>, 'state'>,
    private readonly runs: Runs,
    private readonly endings: Endings,
    private readonly rollouts: Pick<Rollouts, 'open' | 'step'>,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    this.plan();
  }

  close(): void {
    this.isClosed = true;
    this.cancel?.();
  }

  /** There may be room now. */
  happened(): void {
    void this.look();
  }

  private plan(): void {
    if (this.isClosed) return;
    this.cancel = scheduleTogether(this.clock, lookEveryMs, () => {
      void this.look().finally(() => this.plan());
    });
  }

  private async look(): Promise<void> {
    if (this.isLooking) return;
    this.isLooking = true;
    try {
      for (const runId of this.due()) await this.runs.advance(runId, `look/${this.clock.nowMs()}`);
      for (const runId of [...this.runs.roomSeekers()]) {
        await this.runs.advance(runId, `room/${this.clock.nowMs()}`);
      }
      for (const runId of [...this.rollouts.open()]) await this.rollouts.step(runId);
      await this.settle();
    } catch (error) {
      this.logger.warn('waiting runs could not be looked at', { reason: reasonOf(error) });
    } finally {
      this.isLooking = false;
    }
  }

  private due(): string[] {
    const nowMs = this.clock.nowMs();
    const forServers = nowMs - this.lookedForServersMs >= quorumLookEveryMs;
    if (forServers) this.lookedForServersMs = nowMs;
    return [...this.fleet.state.openRuns]
      .filter(([, run]) => isDue(run, forServers, nowMs))
      .map(([runId]) => runId);
  }

  /** Runs that others wait for may be over without anybody having taken it in. */
  private async settle(): Promise<void> {
    const nowMs = this.clock.nowMs();
    if (nowMs - this.settledMs < settleEveryMs) return;
    this.settledMs = nowMs;
    const inTheWay = new Map<string, string>();
    for (const { situation, blockingRunId, site } of this.fleet.state.openRuns.values()) {
      if (situation === 'queued' && blockingRunId !== '') inTheWay.set(blockingRunId, site);
    }
    for (const [runId, site] of inTheWay) await this.endings.settle([runId], site);
  }
}

function isDue(run: OpenRun, forServers: boolean, nowMs: number): boolean {
  if (run.situation === 'started' || run.situation === 'rolling-out') return false;
  if (nowMs >= deadlineOf(run.policies, run.requestedAtMs)) return true;
  if (run.situation === 'new') return nowMs >= run.requestedAtMs + abandonedAfterMs;
  if (run.situation !== 'deferred') return false;
  return nowMs >= run.untilMs || (forServers && run.policies?.quorum !== undefined);
}
