import type { Random } from '#libs/clock/clock.js';
import type { Geometry } from './geometry.js';
import type { NeedReport } from './missing-frames.js';
import { emptyRepair, type Repair } from './repair.js';
import type { ByteRange, StopReason } from './session.js';
import { backlogEveryMs } from './timing.js';
import { allSound, emptyUnits, holdRanges, type Piece, type Units } from './units.js';

/** What changes with every frame. It does so in place: a copy would cost more than the frame. */
export interface Hearing {
  /** Frames of the session, of any kind. */
  frames: number;
  /** The last frame of this pass. */
  highest: number;
  /** The last frame some time ago, and some more: what precedes it is late no more, but lost. */
  marked: number;
  settled: number;
  markedMs: number;
  /** The sequences below this one have been looked through for losses in this pass. */
  examined: number;
  interimMs: number;
  /** The last report within a pass on what was heard of it. */
  toldMs: number;
  backlogMs: number;
  /** The first frame heard of the first pass. */
  joinedAt?: number;
  /** When anything of the session, and when a frame of it was last heard. */
  anyMs: number;
  frameMs: number;
  /** Reports in a row that were given unasked. */
  askedUnasked: number;
}

/**
 * A member's half of a session. collecting: frames are missing or not verified; finishing: all is
 * there, the sink closes; complete: the leader is told as often as it asks; stopped: ended early.
 */
export interface ReceiverState {
  readonly situation: 'collecting' | 'finishing' | 'complete' | 'stopped';
  readonly startedMs: number;
  readonly node: string;
  readonly random: Random;
  readonly geometry: Geometry;
  /** Frames and units, what is there and what is sound. Changes in place. */
  readonly units: Units;
  /** Repair frames. Changes in place. */
  readonly repair: Repair;
  readonly hearing: Hearing;
  /** The newest pass that was heard of. */
  readonly pass: number;
  readonly participants: number;
  readonly wasListed: boolean;
  /** Passes that ended without a frame of the session ever having been heard. */
  readonly unheardPasses: number;
  readonly endedPass: number;
  /** When the leader is to get a report; `undefined`: not asked, or not ready. */
  readonly reportAtMs?: number;
  readonly isReportOwed: boolean;
  readonly stopReason?: StopReason;
}

export type ReceiverInput =
  | {
      readonly type: 'announced';
      readonly pass: number;
      readonly passEnded: boolean;
      readonly participants: readonly string[];
    }
  | {
      /** Frames that follow each other, their contents in a row. */
      readonly type: 'frames';
      readonly pass: number;
      readonly first: number;
      readonly count: number;
      readonly content: Uint8Array;
    }
  | {
      readonly type: 'repair-frame';
      readonly pass: number;
      readonly batch: number;
      readonly index: number;
      readonly content: Uint8Array;
    }
  /** The lost frames of a batch, as a `mend` effect asked for; none: it could not be done. */
  | {
      readonly type: 'mended';
      readonly batch: number;
      readonly frames: ReadonlyMap<number, Uint8Array>;
    }
  /** The verdict on a unit that a `verify` effect asked for. */
  | { readonly type: 'verified'; readonly unit: number; readonly isSound: boolean }
  /** The member listens from now on, or still, and has heard no frame. */
  | { readonly type: 'listening' }
  /** How full the receive buffer is, 0 to 1. */
  | { readonly type: 'backlog'; readonly share: number }
  /** The sink has closed. */
  | { readonly type: 'done' }
  | { readonly type: 'tick' }
  | { readonly type: 'stop'; readonly reason: StopReason };

export type ReceiverEffect =
  | ({ readonly type: 'write' } & Piece)
  | { readonly type: 'verify'; readonly unit: number }
  /** Restore what is lost of a batch from what is there and its repair frames. */
  | { readonly type: 'mend'; readonly batch: number }
  | ({ readonly type: 'report' } & NeedReport)
  | { readonly type: 'finish' }
  | { readonly type: 'stopped'; readonly reason: StopReason };

export type ReceiverStep = readonly [ReceiverState, readonly ReceiverEffect[]];

/** `held`: what is verified on disk already. @returns effects: a held container may be finished */
export function initialReceiver(
  config: { readonly node: string; readonly random: Random; readonly geometry: Geometry },
  held: readonly ByteRange[],
  nowMs: number,
): ReceiverStep {
  const units = emptyUnits(config.geometry);
  holdRanges(config.geometry, units, held);
  const state: ReceiverState = {
    ...config,
    situation: 'collecting',
    startedMs: nowMs,
    units,
    repair: emptyRepair(),
    hearing: {
      frames: 0,
      highest: -1,
      marked: 0,
      settled: 0,
      markedMs: nowMs,
      examined: 0,
      interimMs: nowMs,
      toldMs: nowMs,
      backlogMs: nowMs - backlogEveryMs,
      anyMs: nowMs,
      frameMs: nowMs,
      askedUnasked: 0,
    },
    pass: 1,
    participants: 1,
    wasListed: false,
    unheardPasses: 0,
    endedPass: 0,
    isReportOwed: false,
  };
  return allSound(units)
    ? [{ ...state, situation: 'finishing' }, [{ type: 'finish' }]]
    : [state, []];
}
