/** What the order of leaders depends on. */
export interface RankedLeader {
  readonly name: string;
  readonly cpuCount: number;
  readonly cpuMhz: number;
  /** The label `location`; empty when there is none. */
  readonly location: string;
}

/**
 * Fastest first: by CPU count times clock rate, then location, then name. Neighbours in location
 * come together, so that a leader mostly hands on to one that is near.
 */
export function orderLeaders<L extends RankedLeader>(leaders: readonly L[]): L[] {
  return [...leaders].sort(
    (a, b) =>
      cpuPower(b) - cpuPower(a) || compare(a.location, b.location) || compare(a.name, b.name),
  );
}

function cpuPower({ cpuCount, cpuMhz }: RankedLeader): number {
  return cpuCount * cpuMhz;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
