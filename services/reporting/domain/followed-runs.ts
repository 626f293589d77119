import type { RecordedEvent } from '#libs/contracts/index.js';
import { evolveOpenRuns, noOpenRuns, type OpenRuns, type RunProgress } from './run-progress.js';

/** How long the newest commits took to be at 99 of 100 servers, oldest first. */
export interface CommitTimes {
  readonly bySite: ReadonlyMap<string, readonly number[]>;
  /** Of all sites: what a site goes by that was never committed. */
  readonly all: readonly number[];
}

/** What the coordinator knows from the log. */
export interface Followed {
  readonly open: OpenRuns;
  readonly times: CommitTimes;
}

const noTimes: CommitTimes = { bySite: new Map(), all: [] };
export const nothingFollowed: Followed = { open: noOpenRuns, times: noTimes };

/** Few, so that a fleet that grew or became slow is noticed soon. */
const remembered = 5;
/** What a commit is taken for before one was measured, in milliseconds. */
export const firstP99Ms = 250;
/** A lead is a time in which nothing happens: a fleet that is slower switches as it can. */
const longestP99Ms = 15_000;

export function followLog({ open, times }: Followed, happened: RecordedEvent): Followed {
  const after = evolveOpenRuns(open, happened);
  return { open: after, times: withEnded(times, open, happened) };
}

/**
 * In how many milliseconds the next commit of a site will be at 99 of 100 of its servers: the
 * median of the newest ones, so that one server that was away once does not delay the next five.
 */
export function p99Of({ bySite, all }: CommitTimes, site = ''): number {
  const times = bySite.get(site) ?? all;
  if (times.length === 0) return firstP99Ms;
  const sorted = times.toSorted((a, b) => a - b);
  return Math.min(longestP99Ms, sorted[Math.floor(sorted.length / 2)] ?? firstP99Ms);
}

function withEnded(times: CommitTimes, open: OpenRuns, { type, data }: RecordedEvent): CommitTimes {
  if (type !== 'RunCompleted' && type !== 'RunPartiallyCompleted') return times;
  const tookMs = commitTookMs(open.get(data.runId));
  if (tookMs === undefined) return times;
  const { bySite, all } = times;
  const ofSite = [...(bySite.get(data.site) ?? []), tookMs].slice(-remembered);
  return {
    bySite: new Map(bySite).set(data.site, ofSite),
    all: [...all, tookMs].slice(-remembered),
  };
}

/**
 * From the commit until 99 of 100 servers were ready; undefined where none said when it was. With a
 * long lead, which is given, servers take their time.
 */
function commitTookMs(run: RunProgress | undefined): number | undefined {
  const committedAtMs = run?.committedAtMs;
  if (!run?.commit || committedAtMs === undefined) return undefined;
  if (run.commit.switchAtMs > 0n && run.commit.predictedP99Ms === 0) return undefined;
  const took = [...run.switched.values()]
    .flatMap(({ nodes }) => nodes)
    .filter(({ readyAtMs }) => readyAtMs > 0n)
    .map(({ readyAtMs }) => Math.max(0, Number(readyAtMs) - committedAtMs))
    .sort((a, b) => a - b);
  return took[Math.ceil(took.length * 0.99) - 1];
}
