import type { Clock } from '#libs/clock/clock.js';
import { LinkGate } from '../link-gate.js';
import { type LinkLimits, limitAt, minuteOfDay } from '../link-limits.js';

/** What the kernel is given before it has sent what was before it. */
const mostUnderWayBytes = 1024 * 1024;

/** One way of this host's link. */
export function linkGate(limits: LinkLimits, clock: Clock, cpuShare?: number): LinkGate {
  const usedMs = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000;
  };
  return new LinkGate({
    clock,
    limitAt: (nowMs) => limitAt(limits, minuteOfDay(nowMs)),
    mostUnderWayBytes,
    ...(cpuShare === undefined ? {} : { cpu: { share: cpuShare, usedMs } }),
  });
}
