import { Cron } from 'croner';
import { InvalidSchedule } from './errors.js';

/** Patterns are few and asked for often. */
const patterns = new Map<string, Cron>();
const mostPatterns = 10_000;

/** The next time that was computed for a pattern: jobs that share it share the work. */
const answers = new Map<string, { readonly afterMs: number; readonly nextMs: number }>();

/**
 * When a cron expression comes due next, after a time. Where a change of the clocks leaves a
 * time out, it comes due when the gap is over; where a time comes twice, the first counts.
 * @returns undefined: never again
 * @throws InvalidSchedule
 */
export function nextCronMs(
  expression: string,
  timeZone: string,
  afterMs: number,
): number | undefined {
  const key = `${timeZone} ${expression}`;
  const known = answers.get(key);
  if (known && known.afterMs <= afterMs && afterMs < known.nextMs) return known.nextMs;
  const nextMs = patternOf(key, expression, timeZone).nextRun(new Date(afterMs))?.getTime();
  if (nextMs !== undefined) answers.set(key, { afterMs, nextMs });
  return nextMs;
}

/** @throws InvalidSchedule for a pattern or a time zone that is none, or one that never comes */
export function requireCron(expression: string, timeZone: string, nowMs: number): void {
  if (nextCronMs(expression, timeZone, nowMs) !== undefined) return;
  throw new InvalidSchedule(`the cron expression ${JSON.stringify(expression)} never comes due`);
}

function patternOf(key: string, expression: string, timeZone: string): Cron {
  const known = patterns.get(key);
  if (known) return known;
  try {
    const made = new Cron(expression, { timezone: timeZone || 'UTC', paused: true });
    made.nextRun(new Date(0));
    if (patterns.size >= mostPatterns) forgetAll();
    patterns.set(key, made);
    return made;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidSchedule(`${JSON.stringify(expression)} in ${timeZone || 'UTC'}: ${reason}`);
  }
}

function forgetAll(): void {
  patterns.clear();
  answers.clear();
}
