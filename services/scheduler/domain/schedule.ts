import type { JobSpec } from '#libs/contracts/index.js';
import { nextCronMs } from './cron.js';
import type { JobEntry } from './jobs-view.js';
import { endOfWindows } from './windows.js';

/** A time at which a job begins. */
export interface Occurrence {
  /** When it begins: when it is due, or when the blackout that it is due in ends. */
  readonly dueAtMs: number;
  /** What makes it begin, in words. */
  readonly trigger: string;
}

/** What is to be done about a job now. */
export type Due =
  | { readonly kind: 'start'; readonly occurrence: Occurrence }
  /** Too late: the job was not looked at in time. */
  | { readonly kind: 'skip'; readonly occurrence: Occurrence; readonly untilMs: number }
  | { readonly kind: 'wait'; readonly untilMs: number }
  | { readonly kind: 'never' };

const defaultStartWithinMs = 10 * 60_000;
/** Blackouts without an end between occurrences. */
const mostBlackouts = 1_000;

/** The first occurrence after a time; undefined: no trigger of time comes any more. */
export function nextOccurrence(spec: JobSpec, afterMs: number): Occurrence | undefined {
  let fromMs = afterMs;
  for (let step = 0; step < mostBlackouts; step++) {
    const next = firstOf(spec, fromMs);
    if (!next) return undefined;
    const endMs = endOfWindows(spec.blackouts, next.dueAtMs);
    if (endMs === undefined) return next;
    if (!spec.skipInBlackout) return { ...next, dueAtMs: endMs };
    // What is due at the very moment at which the blackout ends is not in it.
    fromMs = endMs - 1;
  }
  return undefined;
}

/** The next occurrences after a time, at most so many. */
export function nextOccurrences(spec: JobSpec, afterMs: number, count: number): Occurrence[] {
  const found: Occurrence[] = [];
  for (let fromMs = afterMs; found.length < count; ) {
    const next = nextOccurrence(spec, fromMs);
    if (!next) break;
    found.push(next);
    fromMs = next.dueAtMs;
  }
  return found;
}

/**
 * What is to be done about a job. Of several that were missed, the newest that is not too late
 * begins; a clock that is set back makes nothing begin again.
 */
export function dueOf(entry: JobEntry, nowMs: number): Due {
  const { spec, paused, lastDueAtMs, changedAtMs } = entry;
  if (paused) return { kind: 'never' };
  const sinceMs = Math.max(lastDueAtMs, changedAtMs - 1);
  const first = nextOccurrence(spec, sinceMs);
  if (!first) return { kind: 'never' };
  if (first.dueAtMs > nowMs) return { kind: 'wait', untilMs: first.dueAtMs };
  const lateMs = nowMs - startWithinMs(spec);
  let newest = first.dueAtMs >= lateMs ? first : undefined;
  for (let fromMs = Math.max(first.dueAtMs, lateMs - 1); ; ) {
    const next = nextOccurrence(spec, fromMs);
    if (!next || next.dueAtMs > nowMs) break;
    newest = next;
    fromMs = next.dueAtMs;
  }
  if (newest) return { kind: 'start', occurrence: newest };
  return { kind: 'skip', occurrence: first, untilMs: lateMs - 1 };
}

export function startWithinMs(spec: JobSpec): number {
  return Number(spec.startWithinMs) || defaultStartWithinMs;
}

function firstOf(spec: JobSpec, afterMs: number): Occurrence | undefined {
  let first: Occurrence | undefined;
  for (const { trigger } of spec.triggers) {
    const dueAtMs = dueAfter(trigger, afterMs);
    if (dueAtMs === undefined || (first && first.dueAtMs <= dueAtMs)) continue;
    first = { dueAtMs, trigger: wordsOf(trigger) };
  }
  return first;
}

type Trigger = JobSpec['triggers'][number]['trigger'];

function dueAfter(trigger: Trigger, afterMs: number): number | undefined {
  if (trigger.case === 'at') {
    const atMs = Number(trigger.value.atMs);
    return atMs > afterMs ? atMs : undefined;
  }
  if (trigger.case !== 'cron') return undefined;
  return nextCronMs(trigger.value.expression, trigger.value.timeZone, afterMs);
}

/** A trigger in words. */
export function wordsOf(trigger: Trigger): string {
  switch (trigger.case) {
    case 'at':
      return `at ${new Date(Number(trigger.value.atMs)).toISOString()}`;
    case 'cron':
      return `cron ${trigger.value.expression} ${trigger.value.timeZone || 'UTC'}`;
    case 'staging':
      return 'staging changes';
    case 'after': {
      const { job, statuses } = trigger.value;
      return `after ${job} ${statuses.length > 0 ? statuses.join(' or ') : 'completed'}`;
    }
    case 'event':
      return `event ${trigger.value.type || 'of any type'}`;
    case 'loadBalancer':
      return 'load balancer';
    case undefined:
      return 'nothing';
  }
}
