import type { LogView } from '#libs/event-log/log-view.js';
import type { LinkUse, RunBudget } from '../domain/budget.js';
import type { Fleet } from '../domain/fleet.js';
import type { Standing } from '../domain/run.js';
import { targetsOf } from '../domain/targets.js';
import type { RunFacts } from './run-facts.js';

/** Which runs use the network, and which wait for room on it, as far as this replica knows. */
export class NetworkRoom {
  /** Runs that are being started and that the view does not show yet. */
  private readonly starting = new Map<string, readonly string[]>();
  /** Runs that wait for room, as far as it is known which links they need. */
  private readonly waiting = new Map<string, readonly string[]>();

  constructor(
    private readonly fleet: Pick<LogView<Fleet>, 'state'>,
    private readonly budget: RunBudget,
  ) {}

  /** Those that wait for room, oldest first, for which there may be some now. */
  *seekers(): Iterable<string> {
    let free = this.budget.perOrigin - this.underWay().length;
    for (const [runId, { situation, blockingRunId }] of this.fleet.state.openRuns) {
      if (situation !== 'queued' || blockingRunId !== '') continue;
      if (free-- <= 0) return;
      yield runId;
    }
  }

  /** Runs under way, and those that wait for room since before this one. */
  *inUse(runId: string): Iterable<LinkUse> {
    this.starting.delete(runId);
    yield* this.underWay();
    for (const [other, { situation, blockingRunId }] of this.fleet.state.openRuns) {
      // Runs are in the order of their requests: who comes after this one must wait for it.
      if (other === runId) return;
      if (situation !== 'queued' || blockingRunId !== '') continue;
      yield { runId: other, segments: this.waiting.get(other) ?? [] };
    }
  }

  /** What is decided counts for the next decision before the view shows it. */
  reserve(runId: string, standing: Standing, facts: RunFacts): void {
    this.starting.delete(runId);
    this.waiting.delete(runId);
    if (standing.kind === 'start') {
      const segments = (standing.started.targets ?? []).map(({ segment = '' }) => segment);
      this.starting.set(runId, segments);
    } else if (standing.kind === 'queue' && standing.blockingRunId === '') {
      const segments = targetsOf(facts.members).bySegment.map(({ segment }) => segment);
      this.waiting.set(runId, segments);
    }
  }

  /** The view shows what was decided, or nothing came of it. */
  forget(runId: string): void {
    this.starting.delete(runId);
  }

  private underWay(): LinkUse[] {
    const uses = new Map(this.starting);
    for (const [runId, { situation, segments }] of this.fleet.state.openRuns) {
      if (situation === 'started') uses.set(runId, segments);
    }
    return [...uses].map(([runId, segments]) => ({ runId, segments }));
  }
}
