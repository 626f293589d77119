import type { RecordedEvent } from '#libs/contracts/index.js';
import { jobOutcomes } from './outcomes.js';

/** How long runs took, by the times of their events. */
export class RunTimes {
  private readonly startedMs = new Map<string, number>();
  private readonly committedMs = new Map<string, number>();
  private prepareMs = 0;
  private switchMs = 0;

  get longestSeconds(): { prepare: number; switch: number } {
    return { prepare: this.prepareMs / 1_000, switch: this.switchMs / 1_000 };
  }

  /** One after the other, in the order of the log. */
  add({ type, timeMs, context: { correlationId: runId } }: RecordedEvent): void {
    if (type === 'RunStarted') this.startedMs.set(runId, timeMs);
    if (type !== 'CommitIssued' && !(type in jobOutcomes)) return;
    const [started = timeMs, committed] = [this.startedMs.get(runId), this.committedMs.get(runId)];
    if (committed !== undefined) this.switchMs = Math.max(this.switchMs, timeMs - committed);
    else this.prepareMs = Math.max(this.prepareMs, timeMs - started);
    if (type === 'CommitIssued') this.committedMs.set(runId, timeMs);
  }
}
