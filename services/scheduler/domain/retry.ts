import { create } from '@bufbuild/protobuf';
import {
  JobType,
  type RequestRun,
  RequestRunSchema,
  type RunFailed,
  type RunPartiallyCompleted,
} from '#libs/contracts/index.js';
import { derivedId } from './derived-id.js';

const firstDelayMs = 10_000;
const longestDelayMs = 10 * 60_000;

/** How long to wait before an attempt; the first retry is 1. */
export function backoffMs(attempt: number, firstMs: number, longestMs: number): number {
  const first = firstMs || firstDelayMs;
  return Math.min(longestMs || longestDelayMs, first * 2 ** Math.min(attempt - 1, 30));
}

/**
 * The run that makes good what a run missed, as its policy wants; undefined: none. Only the servers
 * that missed it take part, unless nothing went live: then there is nothing to make good for some.
 */
export function retryOf(
  request: RequestRun,
  outcome: RunFailed | RunPartiallyCompleted,
  endedAtMs: number,
): RequestRun | undefined {
  const { runId, site, terms } = request;
  const policy = terms?.policies?.retry;
  const attempt = (terms?.attempt ?? 0) + 1;
  if (!policy || attempt > policy.attempts || terms?.rolloutRunId) return undefined;
  const delayMs = backoffMs(attempt, Number(policy.firstDelayMs), Number(policy.longestDelayMs));
  const again = {
    ...terms,
    ...{ attempt, retryOf: runId, trigger: `retry ${attempt}`, dueAtMs: 0n },
    notBeforeMs: BigInt(endedAtMs + delayMs),
  };
  const whole = create(RequestRunSchema, {
    ...request,
    runId: derivedId(runId, 'retry', attempt),
    terms: again,
  });
  if (outcome.$typeName === 'espalier.v1.RunFailed') return whole;
  const nodes = outcome.missed.map(({ node }) => node);
  const type = bringsUp(request) ? JobType.SYNCHRONIZE : request.type;
  return create(RequestRunSchema, { ...whole, site, type, nodes });
}

/** The site's live version has moved: what is left to do is to follow it. */
function bringsUp({ type, nodes }: RequestRun): boolean {
  if (type === JobType.REMOVE && nodes.length > 0) return false;
  return [JobType.PUBLISH, JobType.ROLLBACK, JobType.RESTORE, JobType.REMOVE].includes(type);
}
