import {
  type AfterTrigger,
  type JobSpec,
  type JobTrigger,
  JobType,
  type SiteCreated,
} from '#libs/contracts/index.js';
import { pushedStaging } from '#libs/delta/pushed.js';
import { requireCron } from './cron.js';
import {
  CyclicTriggers,
  InvalidSchedule,
  InvalidTrigger,
  UnknownGroup,
  UnknownJob,
  UnknownSite,
  UnsupportedJobType,
} from './errors.js';
import { requireWaves } from './waves.js';
import { requireWindow } from './windows.js';

/** What a specification is judged by. */
export interface SpecFacts {
  readonly site: SiteCreated | undefined;
  /** Names of the site's groups. */
  readonly groups: readonly string[];
  /** Other jobs, by name. */
  readonly jobs: ReadonlyMap<string, { readonly spec: JobSpec }>;
  readonly nowMs: number;
}

const types: ReadonlySet<JobType> = new Set([
  JobType.PUBLISH,
  JobType.REPLICATE,
  JobType.SYNCHRONIZE,
  JobType.RESTORE,
  JobType.ROLLBACK,
  JobType.REMOVE,
  JobType.HOT,
  JobType.CREATE_CHECKPOINT,
]);
const statuses: ReadonlySet<string> = new Set(['completed', 'partial', 'failed', 'aborted']);
const mostTriggers = 50;

/**
 * @throws UnknownSite, UnknownGroup, UnknownJob, UnsupportedJobType, CyclicTriggers,
 * InvalidTrigger, InvalidSchedule, InvalidRollout
 */
export function requireSpec(job: string, spec: JobSpec | undefined, facts: SpecFacts): JobSpec {
  if (!spec) throw new InvalidTrigger(job, 'it has no specification');
  if (!facts.site) throw new UnknownSite(spec.site);
  const missing = spec.groups.find((group) => !facts.groups.includes(group));
  if (missing !== undefined) throw new UnknownGroup(missing);
  if (!types.has(spec.type)) throw new UnsupportedJobType(JobType[spec.type] ?? String(spec.type));
  if (spec.triggers.length > mostTriggers) {
    throw new InvalidTrigger(job, `it has more than ${mostTriggers} triggers`);
  }
  for (const trigger of spec.triggers) requireTrigger(job, trigger, facts);
  for (const window of spec.blackouts) requireWindow(window);
  const { rollout, quorum } = spec.policies ?? {};
  if (rollout) requireWaves(spec.type, rollout);
  if (quorum?.needed.case === 'percent' && quorum.needed.value > 100) {
    throw new InvalidTrigger(job, 'its quorum is more than 100 % of the servers');
  }
  requireNoCycle(job, spec, facts.jobs);
  return spec;
}

function requireTrigger(job: string, { trigger }: JobTrigger, facts: SpecFacts): void {
  switch (trigger.case) {
    case 'at':
      if (trigger.value.atMs > 0n) return;
      throw new InvalidSchedule('a time is missing');
    case 'cron':
      requireCron(trigger.value.expression, trigger.value.timeZone, facts.nowMs);
      return;
    case 'staging':
      if (facts.site?.staging !== pushedStaging) return;
      throw new InvalidTrigger(
        job,
        `content of ${facts.site.site} is pushed and cannot be watched; push it with --publish`,
      );
    case 'after':
      requireAfter(job, trigger.value, facts);
      return;
    case 'event':
    case 'loadBalancer':
      return;
    case undefined:
      throw new InvalidTrigger(job, 'a trigger says of nothing that it is for it');
  }
}

function requireAfter(job: string, after: AfterTrigger, { jobs }: SpecFacts): void {
  if (after.job !== job && !jobs.has(after.job)) throw new UnknownJob(after.job);
  const wrong = after.statuses.find((status) => !statuses.has(status));
  if (wrong !== undefined) {
    throw new InvalidTrigger(job, `${wrong} is not completed, partial, failed or aborted`);
  }
}

/** Follows what each job waits for; a job that waits for itself in the end is refused. */
function requireNoCycle(job: string, spec: JobSpec, jobs: SpecFacts['jobs']): void {
  const visited = new Set<string>();
  const follow = (name: string, path: readonly string[]): void => {
    if (name === job && path.length > 0) throw new CyclicTriggers([...path, name]);
    if (visited.has(name)) return;
    visited.add(name);
    const { triggers = [] } = name === job ? spec : (jobs.get(name)?.spec ?? {});
    for (const { trigger } of triggers) {
      if (trigger.case === 'after') follow(trigger.value.job, [...path, name]);
    }
  };
  follow(job, []);
}
