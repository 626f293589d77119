import { create } from '@bufbuild/protobuf';
import { type JobView, JobViewSchema } from '#libs/contracts/index.js';
import type { JobEntry } from './jobs-view.js';
import { nextOccurrences, wordsOf } from './schedule.js';

const shownRuns = 5;

/** A job as users see it. */
export function jobView(entry: JobEntry, nowMs: number): JobView {
  const { name, version, spec, paused, lastRunId, lastDueAtMs } = entry;
  const sinceMs = Math.max(nowMs, lastDueAtMs);
  const next = paused ? [] : nextOccurrences(spec, sinceMs, shownRuns);
  const isOver = next.length === 0 && spec.triggers.length > 0 && spec.triggers.every(isOnce);
  return create(JobViewSchema, {
    ...{ name, version, spec, lastRunId },
    status: paused ? 'paused' : isOver ? 'done' : 'active',
    triggers: spec.triggers.map(({ trigger }) => wordsOf(trigger)),
    nextRuns: next.map(({ dueAtMs }) => iso(dueAtMs)),
    lastDueAt: iso(lastDueAtMs),
    createdAt: iso(entry.createdAtMs),
    changedAt: iso(entry.changedAtMs),
  });
}

function isOnce({ trigger }: JobEntry['spec']['triggers'][number]): boolean {
  return trigger.case === 'at' || trigger.case === 'cron';
}

function iso(timeMs: number): string {
  return timeMs > 0 ? new Date(timeMs).toISOString() : '';
}
