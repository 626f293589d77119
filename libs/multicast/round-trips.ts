/*
 * Round-trip times as TFMCC takes them (RFC 4654): members echo the sender's time stamp and tell
 * how long they have held it, and the pace follows the limiting receiver, over whose way a TCP flow
 * would get least. The stamp is the announcement's, which comes before the first frame as well.
 */

/** There and back, in milliseconds; 0: not measured. */
export interface RoundTrip {
  /** The shortest ever: the way without its queues. */
  readonly wayMs: number;
  /** The shortest of late: with the queues that stand, without moments in which hosts are busy. */
  readonly standingMs: number;
  /** The longest of late. */
  readonly longestMs: number;
  /** Of the samples, too few may all have met a busy host. */
  readonly isSure: boolean;
}

interface Measured {
  readonly wayMs: number;
  readonly samplesMs: readonly number[];
  readonly lossShare: number;
  readonly heardMs: number;
}

/** What reports said of the way to each member and back. Changes in place. */
export interface RoundTrips {
  readonly members: Map<string, Measured>;
  /** The limiting receiver. */
  limiting?: string;
}

/** Of a report. */
export interface Echo {
  readonly node: string;
  /** When the announcement left that is echoed, by the leader's clock; 0: none is. */
  readonly echoedMs: number;
  /** Between the announcement's arrival and the report. */
  readonly heldMs: number;
  readonly lostFrames: number;
  readonly expectedFrames: number;
}

export const unknownRoundTrip: RoundTrip = {
  wayMs: 0,
  standingMs: 0,
  longestMs: 0,
  isSure: false,
};

const keptSamples = 8;
const fewSamples = 3;
/** Finer than clocks of whole milliseconds; no way takes no time. */
const leastSampleMs = 0.1;
/** Weight of a new sample of the loss. */
const lossWeight = 0.1;
/** Without it who has lost nothing yet would have no way. */
const leastLossShare = 0.0001;
/** A limiting receiver that is silent for so long limits no more. */
const silentMs = 5_000;

export function noRoundTrips(): RoundTrips {
  return { members: new Map() };
}

/** Takes an echo in; one of a time that never was says nothing. @returns the limiting receiver's */
export function heardEcho(trips: RoundTrips, echo: Echo, nowMs: number): RoundTrip {
  const { node, echoedMs, heldMs } = echo;
  const passedMs = nowMs - echoedMs - heldMs;
  if (echoedMs > 0 && heldMs >= 0 && passedMs >= 0) {
    const sampleMs = Math.max(leastSampleMs, passedMs);
    const measured = withSample(trips.members.get(node), echo, sampleMs, nowMs);
    trips.members.set(node, measured);
    if (limitsMore(trips, measured, nowMs)) trips.limiting = node;
  }
  const limiting = trips.members.get(trips.limiting ?? '');
  if (!limiting) return unknownRoundTrip;
  const { wayMs, samplesMs } = limiting;
  const [standingMs, longestMs] = [Math.min(...samplesMs), Math.max(...samplesMs)];
  return { wayMs, standingMs, longestMs, isSure: samplesMs.length >= fewSamples };
}

function withSample(before: Measured | undefined, echo: Echo, sampleMs: number, nowMs: number) {
  const { lostFrames, expectedFrames } = echo;
  const { wayMs = sampleMs, samplesMs = [], lossShare = 0 } = before ?? {};
  const lostOfLate = expectedFrames > 0 ? Math.min(1, lostFrames / expectedFrames) : 0;
  return {
    wayMs: Math.min(wayMs, sampleMs),
    samplesMs: [...samplesMs.slice(1 - keptSamples), sampleMs],
    lossShare: lossShare + (lostOfLate - lossShare) * lossWeight,
    heardMs: nowMs,
  };
}

function limitsMore({ members, limiting }: RoundTrips, other: Measured, nowMs: number): boolean {
  const before = members.get(limiting ?? '');
  if (!before || nowMs - before.heardMs > silentMs) return true;
  return hardship(other) > hardship(before);
}

/** TCP's rate falls with the way and with the root of the loss. */
function hardship({ samplesMs, lossShare }: Measured): number {
  return Math.min(...samplesMs) * Math.sqrt(Math.max(lossShare, leastLossShare));
}
