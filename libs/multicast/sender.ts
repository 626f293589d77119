import type { Geometry } from './geometry.js';
import {
  bytesOf,
  isAtEnd,
  type Needs,
  nextFrames,
  noNeeds,
  type PassCursor,
  type PassItem,
  type PassPlan,
  passStart,
  repairPass,
  takeNeeds,
  wholeContainer,
} from './pass-plan.js';
import {
  absorbReport,
  allHeard,
  completeCount,
  type Member,
  type Members,
  newMember,
  outstanding,
  type Report,
  withAllLeftToUnicast,
  withHeardForgotten,
  withSilencesCounted,
  withStragglersLeft,
  worstLossShare,
} from './sender-members.js';
import {
  burstFrames,
  lossReported,
  type Pace,
  passEnded,
  recovered,
  restarted,
  withLeft,
} from './sender-pace.js';
import { inlineBytes, type SessionOutcome } from './session.js';
import { announceEveryMs, greetingMs, maxPasses, responseWindowMs } from './timing.js';

/**
 * The leader's half of a session.
 * greeting: announced, members that have the container may say so; sending: a pass is on its way;
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
  readonly multicastBytes: number;
  readonly repairBytes: number;
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

const maxLateMs = 30;

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
    multicastBytes: 0,
    repairBytes: 0,
    attempt: 0,
    announcedMs: 0,
    nextBurstMs: 0,
  };
}

export function stepSender(state: SenderState, input: SenderInput, nowMs: number): SenderStep {
  if (state.situation === 'finished') return [state, []];
  switch (input.type) {
    case 'start':
      return started(state, nowMs);
    case 'tick':
      return ticked(state, nowMs);
    case 'sent':
      return burstSent(state, nowMs);
    case 'report':
      return reported(state, input, nowMs);
  }
}

function started(state: SenderState, nowMs: number): SenderStep {
  const begun = { ...state, startedMs: nowMs };
  if (state.members.size === 0) return finish(begun, nowMs);
  const isInline = state.geometry.containerBytes <= inlineBytes;
  const waitMs = isInline ? 0 : greetingMs;
  const next = { ...begun, nextBurstMs: nowMs + waitMs, wakeAtMs: nowMs + waitMs / 2 };
  const [opened, announcement] = announced(next, nowMs);
  if (waitMs > 0) return [opened, announcement];
  const [sending, burst] = sendBurst(opened, nowMs);
  return [sending, [...announcement, ...burst]];
}

/** Who misses the announcement misses the pass: a second one comes before the frames do. */
function greeted(state: SenderState, nowMs: number): SenderStep {
  if (nowMs >= state.nextBurstMs) return sendBurst(state, nowMs);
  return announced({ ...state, wakeAtMs: state.nextBurstMs }, nowMs);
}

function ticked(state: SenderState, nowMs: number): SenderStep {
  if (state.burstInFlight || nowMs < (state.wakeAtMs ?? 0)) return [state, []];
  if (state.situation === 'gathering') return windowClosed(state, nowMs);
  if (state.situation === 'greeting') return greeted(state, nowMs);
  const [next, effects] =
    nowMs - state.announcedMs >= announceEveryMs ? announced(state, nowMs) : [state, []];
  const [sending, burst] = sendBurst(next, nowMs);
  return [sending, [...effects, ...burst]];
}

/** Takes the next frames of the pass, up to a burst. */
function sendBurst(state: SenderState, nowMs: number): SenderStep {
  const pace = recovered(state.pace, nowMs);
  // Late timers are made up for, but not those of long ago.
  const plannedMs = Math.max(state.nextBurstMs, nowMs - maxLateMs);
  const room = burstFrames(pace, state.geometry.frameBytes, nowMs - plannedMs);
  const { items, cursor } = nextFrames(state.plan, state.cursor, room);
  const bytes = items.reduce((sum, item) => sum + bytesOf(state.geometry, item), 0);
  const sending: SenderState = {
    ...state,
    situation: 'sending',
    pace: withLeft(pace, bytes),
    cursor,
    burstInFlight: true,
    multicastBytes: state.multicastBytes + (state.pass === 1 ? bytes : 0),
    repairBytes: state.repairBytes + (state.pass === 1 ? 0 : bytes),
    nextBurstMs: plannedMs + (1000 * bytes) / pace.rateBytesPerS,
    wakeAtMs: undefined,
  };
  return [sending, [{ type: 'send', pass: state.pass, items }]];
}

function burstSent(state: SenderState, nowMs: number): SenderStep {
  const landed = { ...state, burstInFlight: false };
  if (isAtEnd(state.plan, state.cursor)) return endPass(landed, nowMs);
  const next = { ...landed, wakeAtMs: Math.max(nowMs, state.nextBurstMs) };
  // A host that is behind does not wait for a timer, which may be late by as much as a burst.
  return state.nextBurstMs <= nowMs ? ticked(next, nowMs) : [next, []];
}

function endPass(state: SenderState, nowMs: number): SenderStep {
  return askForReports({ ...state, situation: 'gathering', attempt: 0 }, nowMs);
}

/** Announces the end of the pass and opens a window for answers. */
function askForReports(state: SenderState, nowMs: number): SenderStep {
  const expected = outstanding(state.members).length;
  const wakeAtMs = nowMs + responseWindowMs(expected, state.attempt);
  const members = withHeardForgotten(state.members);
  return announced({ ...state, members, attempt: state.attempt + 1, wakeAtMs }, nowMs);
}

function announced(state: SenderState, nowMs: number): SenderStep {
  const participants = outstanding(state.members);
  const effect: SenderEffect = {
    type: 'announce',
    pass: state.pass,
    passEnded: state.situation === 'gathering',
    participants,
    unicastTo: participants.filter((node) => (state.members.get(node)?.silences ?? 0) > 0),
    rateBytesPerS: Math.round(state.pace.rateBytesPerS),
  };
  return [{ ...state, announcedMs: nowMs }, [effect]];
}

function reported(state: SenderState, report: Report, nowMs: number): SenderStep {
  const isCurrent = report.pass === state.pass;
  if (isCurrent) takeNeeds(state.geometry, state.needs, report.firstBatch, report.needed);
  const isAwaited = isCurrent && state.situation === 'gathering';
  const members = absorbReport(state.members, report, isAwaited);
  const next = { ...state, members };
  if (outstanding(members).length === 0) return finish(next, nowMs);
  if (state.situation === 'sending' && isCurrent) {
    const { lostFrames, expectedFrames } = report;
    return [{ ...next, pace: lossReported(state.pace, lostFrames, expectedFrames, nowMs) }, []];
  }
  if (state.situation !== 'gathering' || !allHeard(members)) return [next, []];
  return state.needs.total > 0 ? nextPass(next, nowMs) : [next, []];
}

/** Not everybody has answered in time. */
function windowClosed(state: SenderState, nowMs: number): SenderStep {
  const next = { ...state, members: withSilencesCounted(state.members) };
  if (outstanding(next.members).length === 0) return finish(next, nowMs);
  if (completeCount(next.members) >= state.quorum) return giveUp(next, nowMs);
  return state.needs.total > 0 ? nextPass(next, nowMs) : askForReports(next, nowMs);
}

/** Who is not complete by now is left to unicast. */
function giveUp(state: SenderState, nowMs: number): SenderStep {
  return finish({ ...state, members: withAllLeftToUnicast(state.members) }, nowMs);
}

function nextPass(state: SenderState, nowMs: number): SenderStep {
  if (state.pass >= maxPasses) return giveUp(state, nowMs);
  const isQuorate = completeCount(state.members) >= state.quorum;
  if (isQuorate && state.pass > 1) return giveUp(state, nowMs);
  const { geometry, needs, pass } = state;
  const members = pass === 1 ? withStragglersLeft(state.members) : state.members;
  const left = outstanding(members).length;
  if (left === 0) return finish({ ...state, members }, nowMs);
  if (left < outstanding(state.members).length) {
    // The others tell again what they need, without those who needed far more.
    return askForReports({ ...state, members, needs: noNeeds(geometry, needs) }, nowMs);
  }
  const lossShare = worstLossShare(members);
  const next: SenderState = {
    ...state,
    situation: 'sending',
    pass: state.pass + 1,
    members: withHeardForgotten(members),
    plan: repairPass(geometry, needs, lossShare),
    cursor: passStart,
    needs: noNeeds(geometry, needs),
    pace: restarted(pass === 1 ? passEnded(state.pace, lossShare, nowMs) : state.pace, nowMs),
    nextBurstMs: nowMs,
  };
  const [opened, announcement] = announced(next, nowMs);
  const [sending, burst] = sendBurst(opened, nowMs);
  return [sending, [...announcement, ...burst]];
}

function finish(state: SenderState, nowMs: number): SenderStep {
  const nodes = (standing: Member['standing']) =>
    [...state.members].filter(([, member]) => member.standing === standing).map(([node]) => node);
  const outcome: SessionOutcome = {
    complete: nodes('complete'),
    unicast: nodes('unicast'),
    multicastBytes: state.multicastBytes,
    repairBytes: state.repairBytes,
    passes: state.multicastBytes > 0 ? state.pass : 0,
    durationMs: nowMs - state.startedMs,
  };
  const over: SenderState = { ...state, situation: 'gathering' };
  const [{ announcedMs }, announcement] = announced(over, nowMs);
  const finished: SenderState = {
    ...state,
    situation: 'finished',
    announcedMs,
    wakeAtMs: undefined,
  };
  return [finished, [...announcement, { type: 'finished', outcome }]];
}
