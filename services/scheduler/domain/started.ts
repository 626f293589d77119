import type { MessageInitShape } from '@bufbuild/protobuf';
import { posixType } from '#libs/assignment/command-sets.js';
import {
  type CommitPolicy,
  JobType,
  type RequestRun,
  type RunStartedSchema,
  type SiteCreated,
} from '#libs/contracts/index.js';
import { holds, type Job } from './job.js';
import { type Server, targetsOf } from './targets.js';
import type { SiteVersions } from './versions.js';

/** What a start is told from, beside the request and its plan. */
export interface StartFacts {
  readonly site: SiteCreated;
  readonly versions: SiteVersions;
  readonly nowMs: number;
  readonly prepareTimeoutMs: number;
  readonly switchTimeoutMs: number;
}

/** The data of `RunStarted`: everything that other services need to know of the run. */
export function startOf(
  request: RequestRun,
  job: Job,
  facts: StartFacts,
  commit: CommitPolicy | undefined,
): MessageInitShape<typeof RunStartedSchema> {
  const { runId, type, dryRun, paths, to, terms } = request;
  const { site, staging, filters, policy } = facts.site;
  const { wanted, targets, keepsLiveVersion } = job;
  const live = facts.versions.versions.at(-1)?.treeDigest ?? '';
  return {
    ...{ runId, site, type, dryRun, staging, policy, paths, keepsLiveVersion },
    filters: [...(terms?.filters ?? []), ...filters],
    targets: [...targetsOf(targets).bySegment],
    startedAtMs: BigInt(facts.nowMs),
    prepareTimeoutMs: BigInt(facts.prepareTimeoutMs),
    switchTimeoutMs: BigInt(facts.switchTimeoutMs),
    ...(wanted && {
      wanted: {
        treeDigest: bytes(wanted.treeDigest),
        manifestDigest: bytes(wanted.manifestDigest),
      },
    }),
    served: servedTrees(job, live),
    holders: wanted && !job.fromNothing ? holdersOf(job.targets, wanted, type) : [],
    commit,
    checkpoint: type === JobType.CREATE_CHECKPOINT ? to : '',
    rolloutRunId: terms?.rolloutRunId ?? '',
    agentTypes: otherTypes(targets),
  };
}

/** Targets by what they serve, without those that serve the site's live tree. */
function servedTrees({ targets, fromNothing }: Job, live: string) {
  const byTree = new Map<string, string[]>();
  for (const { name, registered, served } of targets) {
    if (!registered) continue;
    const tree = fromNothing ? '' : served;
    if (tree === live) continue;
    const names = byTree.get(tree);
    if (names) names.push(name);
    else byTree.set(tree, [name]);
  }
  return [...byTree].map(([tree, nodes]) => ({ treeDigest: bytes(tree), nodes: nodes.sort() }));
}

/** Targets by the types of their agents, without those of the usual one. */
function otherTypes(targets: readonly Server[]) {
  const byType = new Map<string, string[]>();
  for (const { name, agentType = '' } of targets) {
    if (agentType === '' || agentType === posixType) continue;
    byType.set(agentType, [...(byType.get(agentType) ?? []), name].sort());
  }
  return [...byType].map(([agentType, nodes]) => ({ agentType, nodes }));
}

/** Going back needs no data where the tree is on disk. */
function holdersOf(
  targets: readonly Server[],
  wanted: NonNullable<Job['wanted']>,
  type: JobType,
): string[] {
  if (type !== JobType.ROLLBACK && type !== JobType.RESTORE) return [];
  return targets.filter((server) => holds(server, wanted)).map(({ name }) => name);
}

function bytes(digest: string): Uint8Array {
  return new Uint8Array(Buffer.from(digest, 'hex'));
}
