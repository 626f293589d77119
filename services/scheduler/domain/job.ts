import { JobType, type RequestRun } from '#libs/contracts/index.js';
import { IncompleteJob, NothingLive, UnknownTarget, UnsupportedJobType } from './errors.js';
import { planExpiry, planHot } from './hot.js';
import type { Job, JobFacts } from './job-facts.js';
import { among, type Server } from './targets.js';
import type { StoredTree } from './versions.js';

export type { Job, JobFacts } from './job-facts.js';

/** @throws UnsupportedJobType, IncompleteJob, NothingLive, UnknownTarget, HotLimitReached */
export function planJob(request: RequestRun, facts: JobFacts): Job {
  const { type, site, nodes } = request;
  const { members } = facts;
  switch (type) {
    case JobType.PUBLISH:
      if (request.terms?.rolloutRunId) return planWave(request, facts);
      refuseNodes(request);
      return { targets: members, keepsLiveVersion: false };
    case JobType.SYNCHRONIZE: {
      const wanted = liveOf(site, facts);
      const stale = members.filter((server) => isStale(server, wanted.treeDigest));
      const targets = among(stale, nodes);
      return { targets, wanted, keepsLiveVersion: true, mayBeEmpty: true };
    }
    case JobType.REPLICATE: {
      const targets = among(members, nodes).filter(({ registered }) => registered);
      const wanted = liveOf(site, facts);
      return { targets, wanted, keepsLiveVersion: true, fromNothing: true };
    }
    case JobType.ROLLBACK:
      refuseNodes(request);
      return { targets: members, wanted: versionOf(request, facts), keepsLiveVersion: false };
    case JobType.RESTORE:
      refuseNodes(request);
      return { targets: members, wanted: checkpointOf(request, facts), keepsLiveVersion: false };
    case JobType.REMOVE:
      return planRemoval(request, facts);
    case JobType.HOT:
      liveOf(site, facts);
      return planHot(request, facts);
    case JobType.CREATE_CHECKPOINT: {
      const wanted = liveOf(site, facts);
      return { targets: [], wanted, keepsLiveVersion: true, mayBeEmpty: true };
    }
    default:
      throw new UnsupportedJobType((JobType[type] ?? String(type)).toLowerCase());
  }
}

/** Whether a server is registered and does not serve what the site has live. */
export function isStale({ registered, served }: Server, liveTree: string): boolean {
  return registered && served !== liveTree;
}

/** Whether a server has a tree on disk. */
export function holds({ served, kept }: Server, { treeDigest }: StoredTree): boolean {
  return (
    served === treeDigest || kept.some((start) => start !== '' && treeDigest.startsWith(start))
  );
}

/** Some servers first; without servers: all, and what they serve becomes the live version. */
function planWave({ nodes, terms }: RequestRun, { members }: JobFacts): Job {
  const { treeDigest, manifestDigest } = terms?.wanted ?? {};
  const wanted = treeDigest &&
    manifestDigest && { treeDigest: hex(treeDigest), manifestDigest: hex(manifestDigest) };
  return {
    targets: among(members, nodes),
    ...(wanted ? { wanted } : {}),
    keepsLiveVersion: nodes.length > 0,
  };
}

function planRemoval(request: RequestRun, { members, others, versions }: JobFacts): Job {
  liveOf(request.site, { versions });
  if (request.terms?.expiryOf) return planExpiry(request, others);
  if (request.nodes.length === 0) return { targets: members, keepsLiveVersion: false };
  const isMember = members.find(({ name }) => request.nodes.includes(name));
  if (isMember) {
    throw new IncompleteJob(
      `${isMember.name} receives ${request.site}: it would get the content again`,
      "take the server out of the site's groups first, or remove content from all servers",
    );
  }
  return { targets: among(others, request.nodes), keepsLiveVersion: true };
}

function liveOf(site: string, { versions }: Pick<JobFacts, 'versions'>): StoredTree {
  const live = versions.versions.at(-1);
  if (!live) throw new NothingLive(site);
  return live;
}

/** The version with that number, or the newest one before the live one with other content. */
function versionOf({ site, to }: RequestRun, facts: JobFacts): StoredTree {
  const live = liveOf(site, facts);
  const { versions } = facts.versions;
  const version = to
    ? versions.findLast(({ sequence }) => String(sequence) === to.replace(/^#/, ''))
    : versions.findLast(({ treeDigest }) => treeDigest !== live.treeDigest);
  if (!version) throw new UnknownTarget(site, to ? `version ${to}` : 'version before the live one');
  return version;
}

function checkpointOf({ site, to }: RequestRun, { versions }: JobFacts): StoredTree {
  const checkpoint = versions.checkpoints.get(to);
  if (!checkpoint) throw new UnknownTarget(site, `checkpoint ${JSON.stringify(to)}`);
  return checkpoint;
}

function refuseNodes({ nodes }: RequestRun): void {
  if (nodes.length === 0) return;
  throw new IncompleteJob(
    'servers of a site serve one version together',
    'leave the servers out; synchronize and replicate take some',
  );
}

function hex(digest: Uint8Array): string {
  return Buffer.from(digest).toString('hex');
}
