import { DomainError } from '#libs/contracts/index.js';
import type { SegmentTimings } from './timings.js';

/** A duration that an administrator gave, and with which a segment would not work. */
export class BadTiming extends DomainError {
  override readonly name = 'BadTiming';
}

/**
 * Timings of which some are given by name. All agents of a segment should have the same.
 * @param given names as in `SegmentTimings`, whichever part they are of, to numbers above 0
 * @throws BadTiming
 */
export function customTimings(
  preset: SegmentTimings,
  given: Readonly<Record<string, string>>,
): SegmentTimings {
  const left = new Map(Object.entries(given));
  const taken = <T extends object>(part: T): T => {
    const names = Object.keys(part).filter((name) => left.has(name));
    const numbers = names.map((name) => [name, numberIn(name, left.get(name) ?? '')]);
    for (const name of names) left.delete(name);
    return { ...part, ...Object.fromEntries(numbers) };
  };
  const timings: SegmentTimings = {
    election: taken(preset.election),
    registration: taken(preset.registration),
    reports: taken(preset.reports),
  };
  const [unknown] = left.keys();
  if (unknown !== undefined) {
    const known = Object.values(preset).flatMap((part) => Object.keys(part));
    throw new BadTiming(`${unknown} is unknown`, `give one of: ${known.join(', ')}`);
  }
  checkTogether(timings);
  return timings;
}

function numberIn(name: string, text: string): number {
  const value = Number(text);
  if (value > 0 && value < Number.POSITIVE_INFINITY) return value;
  throw new BadTiming(`${name}=${text} is no duration`, `give a number above 0, as ${name}=1000`);
}

/** What each is good for ends where it contradicts another. */
function checkTogether({ election, registration, reports }: SegmentTimings): void {
  const { leaderAlivePeriodMs, silenceLimitMs, votingWindowMs } = election;
  const { initialClaimDelayMs, prioritySpreadMs, claimJitterMs } = election;
  const longestClaimDelayMs = initialClaimDelayMs + prioritySpreadMs + claimJitterMs;
  const { heartbeatMs, expiryMs } = registration;
  atLeast({ silenceLimitMs }, 3 * leaderAlivePeriodMs, 'or lost datagrams depose a leader');
  atLeast({ votingWindowMs }, longestClaimDelayMs, 'or a stronger candidate claims too late');
  atLeast({ expiryMs }, 2 * heartbeatMs, 'or a lost sign of life ends a membership');
  if (reports.broadcastAboveShare <= 1) return;
  const { broadcastAboveShare } = reports;
  throw new BadTiming(`broadcastAboveShare=${broadcastAboveShare} is no share`, 'give at most 1');
}

function atLeast(named: Readonly<Record<string, number>>, least: number, why: string): void {
  for (const [name, value] of Object.entries(named)) {
    if (value >= least) continue;
    throw new BadTiming(`${name}=${value} is too short`, `give at least ${least}, ${why}`);
  }
}
