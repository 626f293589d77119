import type { Clock } from '#libs/clock/clock.js';
import type { Reachability } from './run-facts.js';

/** Leaders are asked so often who is there. */
export const soakLookEveryMs = 4_000;
/** A leader may change, or start again, in the meantime. */
const looksUntilSilent = 4;

/** Of which servers of a soaking wave nothing is heard. */
export interface HeardOf {
  /** Not at the last look, nor at those before it, but not for long. */
  readonly unheard: ReadonlySet<string>;
  /** For so long that it counts as lost. */
  readonly silent: ReadonlySet<string>;
}

interface Watched {
  lookedMs: number;
  /** Server -> how many looks have passed in a row without it. */
  readonly missed: Map<string, number>;
}

/**
 * Looks for the servers of waves that soak. Looks are counted, not time: while this process cannot
 * look, nobody falls silent.
 */
export class SoakWatch {
  private readonly rollouts = new Map<string, Watched>();

  constructor(
    private readonly reachability: Reachability,
    private readonly clock: Clock,
  ) {}

  /** @param leaders segment -> its leader, of the servers' segments */
  async look(
    runId: string,
    nodes: ReadonlySet<string>,
    leaders: ReadonlyMap<string, string>,
  ): Promise<HeardOf> {
    const before = this.rollouts.get(runId);
    const nowMs = this.clock.nowMs();
    const watched = before ?? { lookedMs: nowMs, missed: new Map<string, number>() };
    if (!before || nowMs - before.lookedMs >= soakLookEveryMs) {
      watched.lookedMs = nowMs;
      this.rollouts.set(runId, watched);
      const reached = await this.reachability.reachable(leaders);
      for (const node of nodes) {
        watched.missed.set(node, reached.has(node) ? 0 : (watched.missed.get(node) ?? 0) + 1);
      }
    }
    const missing = [...nodes].map((node) => ({ node, looks: watched.missed.get(node) ?? 1 }));
    const those = (isIt: (looks: number) => boolean) =>
      new Set(missing.filter(({ looks }) => isIt(looks)).map(({ node }) => node));
    return {
      unheard: those((looks) => looks > 0 && looks < looksUntilSilent),
      silent: those((looks) => looks >= looksUntilSilent),
    };
  }

  /** The wave does not soak any more. */
  end(runId: string): void {
    this.rollouts.delete(runId);
  }
}
