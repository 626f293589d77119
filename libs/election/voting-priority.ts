/** What claim 37 lets a voting priority depend on. Leave out what is not known. */
export interface PriorityParameters {
  /** Set by an administrator, 0 or more: any higher factor beats every measurement. */
  readonly userFactor?: number;
  /** How many members this node knows; a leader and a former leader know most. */
  readonly knownMembers?: number;
  readonly cpuCount?: number;
  readonly cpuMhz?: number;
  readonly memoryBytes?: number;
  readonly diskFreeBytes?: number;
  /** Of the interface on the segment. */
  readonly networkMbitPerS?: number;
  /** Reliability: how long the node has been up. */
  readonly uptimeMs?: number;
  /** Share of the hosted sites that are up to date here, 0 to 1; a newcomer has none. */
  readonly contentShare?: number;
  readonly ledRecently?: boolean;
}

const gibibyte = 2 ** 30;
const hourMs = 3_600_000;

/** Priorities without a user factor lie between 1 and this. */
export const highestMeasuredPriority = 1_000n;

/**
 * Voting priority of a node: the measurements as 1 to 1000, plus 1000 per user factor. Each
 * measurement saturates, so that one excellent figure does not outweigh all the others.
 */
export function votingPriority(parameters: PriorityParameters): bigint {
  const cpu = ((parameters.cpuCount ?? 0) * (parameters.cpuMhz ?? 1_000)) / 1_000;
  const measured =
    150 * saturating(cpu, 16) +
    100 * saturating((parameters.memoryBytes ?? 0) / gibibyte, 16) +
    150 * saturating((parameters.diskFreeBytes ?? 0) / gibibyte, 100) +
    100 * saturating(parameters.networkMbitPerS ?? 0, 1_000) +
    100 * saturating((parameters.uptimeMs ?? 0) / hourMs, 24) +
    100 * saturating(parameters.knownMembers ?? 0, 8) +
    200 * Math.min(1, Math.max(0, parameters.contentShare ?? 0)) +
    (parameters.ledRecently ? 99 : 0);
  const userFactor = BigInt(Math.max(0, Math.floor(parameters.userFactor ?? 0)));
  return userFactor * highestMeasuredPriority + 1n + BigInt(Math.floor(measured));
}

/**
 * A priority as a share of the strongest possible, rising from 0 to 1: the claim delay shrinks with
 * it.
 */
export function strengthOf(priority: bigint): number {
  const value = Number(priority);
  return value / (value + Number(highestMeasuredPriority));
}

/** 0 for nothing, one half at `half`, towards 1 for plenty. */
function saturating(value: number, half: number): number {
  return value <= 0 ? 0 : value / (value + half);
}
