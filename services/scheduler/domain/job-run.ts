import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type RequestRun, RequestRunSchema, type RunTermsSchema } from '#libs/contracts/index.js';
import type { JobEntry } from './jobs-view.js';
import { endOfWindows } from './windows.js';

/** What makes a job run now, beside what is in its specification. */
export interface Cause {
  readonly runId: string;
  /** In words. */
  readonly trigger: string;
  readonly dueAtMs?: number;
  readonly chain?: readonly string[];
  /** Instead of the job's: what a load balancer wants. */
  readonly paths?: readonly string[];
  readonly nodes?: readonly string[];
  readonly serverCount?: number;
}

/** The request of one run of a job. */
export function requestOfJob(
  { name, version, spec }: JobEntry,
  cause: Cause,
  notBeforeMs: number,
): RequestRun {
  const { site, type, to, groups, filters, commit, policies } = spec;
  const { runId, trigger, dueAtMs = 0, chain = [] } = cause;
  const instead = <T>(given: readonly T[] | undefined, own: readonly T[]) =>
    given && given.length > 0 ? [...given] : [...own];
  const terms: MessageInitShape<typeof RunTermsSchema> = {
    ...{ policies, job: name, jobVersion: version, trigger, groups, filters },
    ...{ dueAtMs: BigInt(dueAtMs), notBeforeMs: BigInt(notBeforeMs), chain: [...chain] },
  };
  return create(RequestRunSchema, {
    ...{ runId, site, type, to, commit, terms },
    paths: instead(cause.paths, spec.paths),
    nodes: instead(cause.nodes, spec.nodes),
    serverCount: cause.serverCount || spec.serverCount,
  });
}

/** When a job that is wanted now may begin: 0: at once; undefined: it is left out. */
export function beginsAtMs({ spec }: JobEntry, nowMs: number): number | undefined {
  const endMs = endOfWindows(spec.blackouts, nowMs);
  if (endMs === undefined) return 0;
  return spec.skipInBlackout ? undefined : endMs;
}

/** Whether an event from outside makes a job run. */
export function hears({ spec }: JobEntry, type: string): boolean {
  return spec.triggers.some(({ trigger }) => {
    if (trigger.case !== 'event') return false;
    const wanted = trigger.value.type;
    if (wanted === '') return true;
    return wanted.endsWith('*') ? type.startsWith(wanted.slice(0, -1)) : type === wanted;
  });
}

/** Whether the end of another job's run makes a job run. */
export function follows({ spec }: JobEntry, job: string, status: string): boolean {
  return spec.triggers.some(({ trigger }) => {
    if (trigger.case !== 'after' || trigger.value.job !== job) return false;
    const { statuses } = trigger.value;
    return statuses.length === 0 ? status === 'completed' : statuses.includes(status);
  });
}
