import { type RoundTrip, unknownRoundTrip } from './round-trips.js';

/** What a network and its hosts are good for. */
export interface PaceLimits {
  /** Bytes per second to begin with, and at most. */
  readonly rateBytesPerS: number;
  readonly maxRateBytesPerS: number;
  /** Bytes that may leave between two turns of the event loop without flooding a receiver. */
  readonly burstBytes: number;
}

/** A cut that has not been judged yet. */
export interface Trial {
  /** Bytes per second that were allowed before. */
  readonly allowedBefore: number;
  /** Whether loss at so slow a rate is somebody else's. */
  readonly isBelowCapacity: boolean;
  readonly isShallow: boolean;
  /** What got through, where that is what the link carries; 0: not known. */
  readonly throughBytesPerS: number;
  /** Of the frames before it. */
  readonly lossShare: number;
}

/** How fast frames leave. */
export interface Pace extends PaceLimits {
  readonly situation: 'slow-start' | 'host-bound' | 'steady';
  /** Share of frames that is lost whatever the rate. */
  readonly ambientLossShare: number;
  /** The same when a trial found it out: it is not taken to have grown since. */
  readonly judgedLossShare: number;
  /** Since the last decision: frames times members, how many of them reports told of, and lost. */
  readonly heard: number;
  readonly expected: number;
  readonly lost: number;
  readonly countedFromMs: number;
  readonly trial?: Trial;
  /** What this host's own link leaves beside what it serves. */
  readonly roomBytesPerS: number;
  readonly roundTrip: RoundTrip;
  /** Found before the first frame, when hosts are idle: the way is longer than a LAN's. */
  readonly isFar: boolean;
  readonly cutMs: number;
  /** The most that has got through when something was lost, in bytes per second; 0: not known. */
  readonly capacityBytesPerS: number;
  /** The last sign of somebody else on the link; until when he is taken to be there. */
  readonly signMs: number;
  readonly sharedUntilMs: number;
  readonly raisedMs: number;
  /** Bytes that have left since `windowMs`, and bytes per second of the window before it. */
  readonly leftBytes: number;
  readonly windowMs: number;
  readonly leftRate: number;
  /** The most of late, fading: a moment in which the host was busy is no measure. */
  readonly usedRate: number;
}

export function newPace(limits: PaceLimits, nowMs: number): Pace {
  const { rateBytesPerS, maxRateBytesPerS, burstBytes } = limits;
  return {
    rateBytesPerS,
    maxRateBytesPerS,
    burstBytes,
    situation: 'slow-start',
    ambientLossShare: 0,
    judgedLossShare: 0,
    heard: 0,
    expected: 0,
    lost: 0,
    countedFromMs: nowMs,
    roomBytesPerS: Number.POSITIVE_INFINITY,
    roundTrip: unknownRoundTrip,
    isFar: false,
    cutMs: Number.NEGATIVE_INFINITY,
    capacityBytesPerS: 0,
    signMs: Number.NEGATIVE_INFINITY,
    sharedUntilMs: nowMs,
    raisedMs: nowMs,
    leftBytes: 0,
    windowMs: nowMs,
    leftRate: 0,
    usedRate: rateBytesPerS,
  };
}

/** Who lost nothing did not report; who reported late did so on frames counted before. */
export function framesOf({ heard, expected }: Pace): number {
  return expected > heard / 2 ? expected : Math.max(1, heard);
}

export function lossShareOf(pace: Pace): number {
  return Math.min(1, pace.lost / framesOf(pace));
}

export function withNothingCounted(pace: Pace, nowMs: number): Pace {
  return { ...pace, lost: 0, heard: 0, expected: 0, countedFromMs: nowMs };
}

/** What leaves, of what is allowed. */
export function used({ rateBytesPerS, usedRate }: Pace): number {
  return Math.min(rateBytesPerS, usedRate);
}
