import { create } from '@bufbuild/protobuf';
import {
  ConflictPolicy,
  JobType,
  type RequestRun,
  RequestRunSchema,
  WindowPolicy,
} from '#libs/contracts/index.js';
import { derivedId } from './derived-id.js';
import { HotLimitReached, IncompleteJob } from './errors.js';
import type { Job, JobFacts } from './job-facts.js';
import { matches, parseSelector } from './selector.js';
import { among, type Server } from './targets.js';

/** How often a server that is away is looked for when its hot content has expired. */
const removalAttempts = 50;

/**
 * Hot content goes to the servers that are named, or to a number of those that the site's policy
 * allows: who has most room first. @throws IncompleteJob, HotLimitReached
 */
export function planHot(request: RequestRun, facts: JobFacts): Job {
  const { paths, nodes, serverCount, site } = request;
  const { members, others } = facts;
  const policy = facts.site?.policy?.hot;
  if (paths.length === 0) throw new IncompleteJob('no hot content is named', 'give its paths');
  const selector = policy?.selector ? parseSelector(policy.selector) : [];
  const allowed = others.filter(({ labels }) => matches(selector, labels));
  const candidates = among(allowed, nodes).sort(byRoom);
  const targets = nodes.length > 0 ? candidates : candidates.slice(0, serverCount);
  if (targets.length === 0) {
    const remedy = `name servers, or a number of them; all ${members.length} of the groups have it`;
    throw new IncompleteJob(`no server for hot content of ${site} is left or named`, remedy);
  }
  const limit = policy?.serverLimit ?? 0;
  const having = new Set([...others.filter(({ served }) => served !== ''), ...targets]);
  if (limit > 0 && having.size > limit) throw new HotLimitReached(site, having.size, limit);
  return { targets, keepsLiveVersion: true };
}

/** The servers that still serve what a run brought; who got something else since keeps it. */
export function planExpiry({ nodes, terms }: RequestRun, others: readonly Server[]): Job {
  const targets = among(others, nodes).filter(({ broughtBy }) => broughtBy === terms?.expiryOf);
  return { targets, keepsLiveVersion: true, mayBeEmpty: true };
}

/** The run that removes hot content when its time is over; undefined: it stays. */
export function expiryOf(
  request: RequestRun,
  nodes: readonly string[],
  endedAtMs: number,
  siteTimeToLiveMs: number,
): RequestRun | undefined {
  const { runId, site, type, terms } = request;
  const timeToLiveMs = Number(terms?.timeToLiveMs ?? 0n) || siteTimeToLiveMs;
  if (type !== JobType.HOT || timeToLiveMs === 0 || nodes.length === 0) return undefined;
  return create(RequestRunSchema, {
    ...{ runId: derivedId(runId, 'expiry'), site, type: JobType.REMOVE, nodes: [...nodes] },
    terms: {
      ...{ expiryOf: runId, trigger: `expiry of run ${runId}` },
      notBeforeMs: BigInt(endedAtMs + timeToLiveMs),
      policies: {
        ...{ conflict: ConflictPolicy.QUEUE, windows: WindowPolicy.IGNORE },
        retry: { attempts: removalAttempts },
      },
    },
  });
}

function byRoom(a: Server, b: Server): number {
  const room = (b.diskFreeBytes ?? 0) - (a.diskFreeBytes ?? 0);
  return room || (a.name < b.name ? -1 : 1);
}
