import { JobType } from '#libs/contracts/index.js';
import { derivedId } from './derived-id.js';
import { type Fleet, groupsOf, serversOf } from './fleet.js';
import { isStale } from './job.js';
import { membersOf, type Server } from './targets.js';

/** A server that could not be brought up, and how often that was tried. */
export interface Attempt {
  readonly tree: string;
  readonly count: number;
  readonly lastAtMs: number;
}

/** By site and server: `attemptKey`. */
export type Attempts = ReadonlyMap<string, Attempt>;

export const attemptKey = (site: string, server: string) => `${site}/${server}`;

/** A run that nobody asked for. */
export interface Repair {
  readonly runId: string;
  readonly site: string;
  readonly type: JobType;
  readonly nodes: readonly string[];
  readonly tree: string;
}

const firstRetryMs = 10_000;
const longestRetryMs = 10 * 60_000;

/** Registered servers of the site's groups. */
export function membersOfSite(fleet: Fleet, site: string, nowMs: number): Server[] {
  const memberships = groupsOf(fleet, site).map(({ membership }) => membership);
  return membersOf(memberships, serversOf(fleet, site, nowMs)).filter(
    ({ registered }) => registered,
  );
}

/** What is live on the sites that a server receives once it is registered. */
export function sitesOfServer(fleet: Fleet, name: string, nowMs: number) {
  return [...fleet.liveTrees].flatMap(([site, tree]) => {
    const memberships = groupsOf(fleet, site).map(({ membership }) => membership);
    const servers = [...serversOf(fleet, site, nowMs)].filter((server) => server.name === name);
    const soon = servers.map((server) => ({ ...server, registered: true }));
    return membersOf(memberships, soon).length > 0 ? [{ site, tree }] : [];
  });
}

/**
 * For each site without an open run: the run that brings its stale servers up. A server that is new
 * to the site, or could not be brought up from what it has, gets everything.
 */
export function repairsDue(fleet: Fleet, attempts: Attempts, nowMs: number): Repair[] {
  const busy = new Set([...fleet.openRuns.values()].map(({ site }) => site));
  return [...fleet.liveTrees].flatMap(([site, tree]) => {
    if (busy.has(site)) return [];
    const due = membersOfSite(fleet, site, nowMs).filter(
      (server) =>
        isStale(server, tree) &&
        nowMs >= dueAtMs(attempts.get(attemptKey(site, server.name)), tree),
    );
    if (due.length === 0) return [];
    const isFresh = ({ name, served }: Server) =>
      served === '' || attempts.get(attemptKey(site, name))?.tree === tree;
    const type = due.every(isFresh) ? JobType.REPLICATE : JobType.SYNCHRONIZE;
    const nodes = due.map(({ name }) => name).sort();
    const runId = derivedId(fleet.lastRuns.get(site) ?? '', site, tree, nodes);
    return [{ runId, site, type, nodes, tree }];
  });
}

/** When there may be something to repair again without anything happening; undefined: never. */
export function nextRetryMs(attempts: Attempts): number | undefined {
  const times = [...attempts.values()].map((attempt) => dueAtMs(attempt, attempt.tree));
  return times.length === 0 ? undefined : Math.min(...times);
}

/** Another tree is another chance. */
function dueAtMs(attempt: Attempt | undefined, tree: string): number {
  if (!attempt || attempt.tree !== tree) return 0;
  return attempt.lastAtMs + Math.min(longestRetryMs, firstRetryMs * 2 ** (attempt.count - 1));
}
