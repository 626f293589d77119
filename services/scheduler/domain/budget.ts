/** How many runs may be under way at once, so that schedules do not congest the network. */
export interface RunBudget {
  /** From this control plane: its uplink. */
  readonly perOrigin: number;
  /** Into one segment: the link to it. */
  readonly perLink: number;
}

/** A run that uses links, or waits for room on them. */
export interface LinkUse {
  readonly runId: string;
  readonly segments: readonly string[];
}

/**
 * Why a run must wait, in words; undefined: there is room. `before` are the runs under way and
 * those that were asked for earlier and wait for room: nobody is overtaken on a link that it needs.
 */
export function lackOfRoom(
  budget: RunBudget,
  before: Iterable<LinkUse>,
  { runId, segments }: LinkUse,
): string | undefined {
  let fromOrigin = 0;
  const intoSegment = new Map<string, number>();
  for (const other of before) {
    if (other.runId === runId) continue;
    fromOrigin += 1;
    for (const segment of other.segments) {
      intoSegment.set(segment, (intoSegment.get(segment) ?? 0) + 1);
    }
  }
  if (fromOrigin >= budget.perOrigin) {
    return `${fromOrigin} runs are under way, the budget is ${budget.perOrigin}`;
  }
  const full = segments.find((segment) => (intoSegment.get(segment) ?? 0) >= budget.perLink);
  if (full === undefined) return undefined;
  return `${intoSegment.get(full)} runs use the link to ${full}, the budget is ${budget.perLink}`;
}
