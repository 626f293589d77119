import { type Clock, scheduleTogether } from '#libs/clock/clock.js';
import {
  type AbortRun,
  type ApproveRun,
  DomainError,
  type EventContext,
  type RecordedEvent,
  type RunStarted,
} from '#libs/contracts/index.js';
import { execute } from '#libs/event-log/aggregate.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { LogView } from '#libs/event-log/log-view.js';
import { type Caller, commandContext } from '#libs/nest-jetstream/context.js';
import { type Followed, followLog, nothingFollowed, p99Of } from '../domain/followed-runs.js';
import { deadlineMs, nextStep } from '../domain/next-step.js';
import { type OutcomeCommand, outcome } from '../domain/outcome.js';

interface Accepted {
  readonly id: string;
  readonly sequence: number;
}

export class UnknownStartedRun extends DomainError {
  override readonly name = 'UnknownStartedRun';
  constructor(runId: string) {
    super(`no run ${runId} has started`, 'espalier get runs lists them');
  }
}

/** Follows every open run and issues its commit and its end. Any number of replicas may do so. */
export class RunCoordinator {
  private readonly timers = new Map<string, () => void>();
  private cancelLook: () => void = () => undefined;

  private constructor(
    private readonly log: EventLog,
    private readonly clock: Clock,
    private readonly runs: LogView<Followed>,
  ) {}

  static async start(log: EventLog, clock: Clock): Promise<RunCoordinator> {
    const runs = await LogView.start(log, {
      aggregateTypes: ['run', 'changeset', 'assignment', 'run-in-segment', 'outcome'],
      initial: nothingFollowed,
      evolve: followLog,
    });
    const coordinator = new RunCoordinator(log, clock, runs);
    coordinator.lookAround();
    return coordinator;
  }

  /** Watches the deadlines of all open runs, also of those whose replica may have died. */
  private lookAround(): void {
    for (const [runId, run] of this.runs.state.open) {
      if (run.started && !this.timers.has(runId)) this.watch(runId);
    }
    this.cancelLook = scheduleTogether(this.clock, lookEveryMs, () => this.lookAround());
  }

  /** Takes the step that an event of a run makes due. */
  async react(event: RecordedEvent, runId: string, context: EventContext): Promise<void> {
    await this.runs.reaches(event.sequence);
    await this.step(runId, context);
  }

  /** Ends a run before its commit. @throws UnknownStartedRun, TooLateToAbort, RunIsOver */
  async abort({ runId, reason }: AbortRun, caller: Caller): Promise<Accepted> {
    const { site, startedAtMs } = await this.startedRun(runId);
    const durationMs = BigInt(Math.max(0, this.clock.nowMs() - Number(startedAtMs)));
    const run = { runId, site, durationMs, reason: reason || `aborted by ${caller.actor}` };
    return this.change(runId, { type: 'abort', run }, caller);
  }

  /** Lets a run that waits for it go live. @throws UnknownStartedRun, RunIsOver */
  async approve({ runId }: ApproveRun, caller: Caller): Promise<Accepted> {
    const { site } = await this.startedRun(runId);
    return this.change(runId, { type: 'approve', runId, site }, caller);
  }

  private async startedRun(runId: string): Promise<RunStarted> {
    for (const event of await this.log.read({ type: 'run', id: runId })) {
      if (event.type === 'RunStarted') return event.data;
    }
    throw new UnknownStartedRun(runId);
  }

  private async change(runId: string, command: OutcomeCommand, caller: Caller): Promise<Accepted> {
    const context = commandContext(caller, runId);
    const events = await execute(this.log, outcome, runId, command, context, this.clock.nowMs());
    return { id: runId, sequence: events.at(-1)?.sequence ?? 0 };
  }

  async close(): Promise<void> {
    this.cancelLook();
    for (const cancel of this.timers.values()) cancel();
    await this.runs.close();
  }

  private async step(runId: string, context: EventContext): Promise<void> {
    const { open, times } = this.runs.state;
    const run = open.get(runId);
    const nowMs = this.clock.nowMs();
    const command = run && nextStep(run, nowMs, p99Of(times, run.started?.site));
    if (command) await execute(this.log, outcome, runId, command, context, nowMs);
    this.watch(runId);
  }

  /** Sets the timer for the deadline that an open run has now. */
  private watch(runId: string): void {
    this.timers.get(runId)?.();
    this.timers.delete(runId);
    const { open, times } = this.runs.state;
    const run = open.get(runId);
    const due = run && deadlineMs(run, this.clock.nowMs(), p99Of(times, run.started?.site));
    if (due === undefined) return;
    const waitMs = Math.min(Math.max(0, due - this.clock.nowMs()), longestTimerMs);
    const cancel = this.clock.schedule(waitMs, () => {
      void this.passDeadline(runId, due);
    });
    this.timers.set(runId, cancel);
  }

  private async passDeadline(runId: string, due: number): Promise<void> {
    const context = {
      actor: 'service:reporting',
      correlationId: runId,
      causationId: `deadline-${runId}-${due}`,
    };
    try {
      await this.step(runId, context);
    } catch {
      this.timers.set(
        runId,
        this.clock.schedule(retryDelayMs, () => void this.passDeadline(runId, due)),
      );
    }
  }
}

const retryDelayMs = 1_000;
const lookEveryMs = 2_400;
/** Timers of the platform overflow beyond 24 days. */
const longestTimerMs = 24 * 60 * 60 * 1_000;
