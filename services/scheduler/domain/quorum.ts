import type { StartQuorum } from '#libs/contracts/index.js';
import type { Server } from './targets.js';

/** A server whose last assignment failed less than this ago does not count as healthy. */
export const recoveryMs = 10 * 60_000;

/** What is known of servers at the moment beside what the log says. */
export interface Reach {
  /** Servers whose leader answers and counts them in. */
  readonly reachable: ReadonlySet<string>;
  readonly nowMs: number;
}

/** Whether a run may begin; otherwise why not, in words. */
export function missingQuorum(
  quorum: StartQuorum | undefined,
  targets: readonly Server[],
  { reachable, nowMs }: Reach,
): string | undefined {
  if (!quorum) return undefined;
  const reasons = new Map<string, number>();
  let capable = 0;
  for (const server of targets) {
    const reason = incapacity(server, quorum, reachable, nowMs);
    if (reason) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    else capable += 1;
  }
  const needed = neededOf(quorum, targets.length);
  if (capable >= needed) return undefined;
  const why = [...reasons].map(([reason, count]) => `${count} ${reason}`).join(', ');
  return `${capable} of ${targets.length} servers can take part, ${needed} must (${why})`;
}

function incapacity(
  server: Server,
  { freeDiskBytes }: StartQuorum,
  reachable: ReadonlySet<string>,
  nowMs: number,
): string | undefined {
  if (!server.registered || !reachable.has(server.name)) return 'not reachable';
  if (BigInt(server.diskFreeBytes ?? 0) < freeDiskBytes) return 'without enough free disk';
  if (server.failedAtMs !== undefined && nowMs - server.failedAtMs < recoveryMs) {
    return 'failed a moment ago';
  }
  return undefined;
}

function neededOf({ needed }: StartQuorum, targeted: number): number {
  switch (needed.case) {
    case 'all':
      return needed.value ? targeted : 1;
    case 'count':
      return Math.max(1, needed.value);
    case 'percent':
      return Math.max(1, Math.ceil((targeted * needed.value) / 100));
    case undefined:
      return 1;
  }
}
