import type { Geometry } from './geometry.js';
import type { Pace } from './pace.js';
import {
  type Needs,
  noNeeds,
  type PassCursor,
  type PassItem,
  type PassPlan,
  passStart,
  wholeContainer,
} from './pass-plan.js';
import { noRoundTrips, type RoundTrips } from './round-trips.js';
import { type Members, newMember, type Report } from './sender-members.js';
import type { SessionOutcome } from './session.js';

/**
 * The leader's half of a session.
 * greeting: announced, members say that they listen or have the container; sending: a pass is on;
 * gathering: the pass has ended, its missing frames are being collected; finished: see the outcome.
 */
export interface SenderState {
  readonly situation: 'greeting' | 'sending' | 'gathering' | 'finished';
  readonly geometry: Geometry;
  readonly startedMs: number;
  readonly pass: number;
  readonly members: Members;
  /** So many complete members suffice: the others are not waited for beyond a pass. */
  readonly quorum: number;
  /** What this pass sends, and where in it the pass is. */
  readonly plan: PassPlan;
  readonly cursor: PassCursor;
  /** What the next pass has to make good. Changes in place. */
  readonly needs: Needs;
  readonly burstInFlight: boolean;
  readonly pace: Pace;
  /** Changes in place. */
  readonly roundTrips: RoundTrips;
  readonly multicastBytes: number;
  readonly repairBytes: number;
  /** The head goes again with the next burst; when it last did. */
  readonly headDue: boolean;
  readonly headMs: number;
  /** Requests for reports on this pass so far. */
  readonly attempt: number;
  readonly announcedMs: number;
  /** When the next burst may leave. */
  readonly nextBurstMs: number;
  /** Step with a tick then at the latest; `undefined`: no need to. */
  readonly wakeAtMs?: number;
}

export type SenderInput =
  | { readonly type: 'start' }
  | { readonly type: 'tick' }
  /** The burst of the last `send` effect has left. */
  | { readonly type: 'sent' }
  /** What the own link has room for now. */
  | { readonly type: 'room'; readonly bytesPerS: number }
  | ({ readonly type: 'report' } & Report);

export type SenderEffect =
  | {
      readonly type: 'announce';
      readonly pass: number;
      readonly passEnded: boolean;
      /** Who is expected to answer; nobody: the session is over. */
      readonly participants: readonly string[];
      /** Who gets the announcement by unicast as well. */
      readonly unicastTo: readonly string[];
      readonly rateBytesPerS: number;
    }
  | { readonly type: 'send'; readonly pass: number; readonly items: readonly PassItem[] }
  | { readonly type: 'finished'; readonly outcome: SessionOutcome };

export type SenderStep = readonly [SenderState, readonly SenderEffect[]];

export function initialSender(
  geometry: Geometry,
  participants: readonly string[],
  pace: Pace,
  quorum = Number.POSITIVE_INFINITY,
): SenderState {
  return {
    situation: 'greeting',
    geometry,
    startedMs: 0,
    pass: 1,
    members: new Map(participants.map((node) => [node, newMember])),
    quorum,
    plan: wholeContainer(geometry),
    cursor: passStart,
    needs: noNeeds(geometry),
    burstInFlight: false,
    pace,
    roundTrips: noRoundTrips(),
    multicastBytes: 0,
    repairBytes: 0,
    headDue: false,
    headMs: 0,
    attempt: 0,
    announcedMs: 0,
    nextBurstMs: 0,
  };
}
