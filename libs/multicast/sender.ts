import { begun, seemsLong, withRoundTrip } from './pace-way.js';
import {
  bytesOf,
  headOf,
  isAtEnd,
  nextFrames,
  noNeeds,
  passStart,
  repairPass,
  takeNeeds,
} from './pass-plan.js';
import { heardEcho } from './round-trips.js';
import {
  absorbReport,
  allHeard,
  allListen,
  completeCount,
  type Member,
  outstanding,
  type Report,
  withAllLeftToUnicast,
  withHeardForgotten,
  withSilencesCounted,
  withStragglersLeft,
  worstLossShare,
} from './sender-members.js';
import {
  backlogReported,
  burstFrames,
  lossReported,
  pauseMs,
  recovered,
  restarted,
  sendingRate,
  withLeft,
} from './sender-pace.js';
import type { SenderEffect, SenderInput, SenderState, SenderStep } from './sender-state.js';
import { inlineBytes, type SessionOutcome } from './session.js';
import {
  announceEveryMs,
  greetingLimitMs,
  headEveryMs,
  maxPasses,
  mostGreetingMs,
  responseWindowMs,
} from './timing.js';

const maxLateMs = 30;
/** Announcements until the leader waits no longer for who does not say that it listens. */
const greetings = 4;

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
    case 'room':
      return [{ ...state, pace: { ...state.pace, roomBytesPerS: input.bytesPerS } }, []];
  }
}

function started(state: SenderState, nowMs: number): SenderStep {
  const begun = { ...state, startedMs: nowMs };
  if (state.members.size === 0) return finish(begun, nowMs);
  const isInline = state.geometry.containerBytes <= inlineBytes;
  const passMs = (1000 * state.geometry.containerBytes) / state.pace.rateBytesPerS;
  const waitMs = isInline ? 0 : greetingLimitMs(state.members.size, passMs);
  const next = { ...begun, nextBurstMs: nowMs + waitMs, wakeAtMs: nowMs + waitMs / greetings };
  const [opened, announcement] = announced(next, nowMs);
  if (waitMs > 0) return [opened, announcement];
  const [sending, burst] = sendBurst(opened, nowMs);
  return [sending, [...announcement, ...burst]];
}

/** Who misses the announcement misses the pass: it comes several times before the frames do. */
function greeted(state: SenderState, nowMs: number): SenderStep {
  const everyMs = nowMs - state.announcedMs;
  const isUnsure = seemsLong(state.pace) && !state.pace.roundTrip.isSure;
  const limitMs = isUnsure ? state.startedMs + mostGreetingMs : state.nextBurstMs;
  if (nowMs >= limitMs) return sendBurst(state, nowMs);
  return announced({ ...state, wakeAtMs: Math.min(limitMs, nowMs + everyMs) }, nowMs);
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
  const isFirst = state.situation === 'greeting';
  const pace = recovered(isFirst ? begun(state.pace) : state.pace, nowMs);
  // Late timers are made up for, but not those of long ago. Who has greeted need not wait it out.
  const plannedMs = isFirst ? nowMs : Math.max(state.nextBurstMs, nowMs - maxLateMs);
  const room = burstFrames(pace, state.geometry.frameBytes, nowMs - plannedMs);
  const { items: next, cursor } = nextFrames(state.plan, state.cursor, room);
  const items = state.headDue ? [headOf(state.geometry), ...next] : next;
  const frames = items.reduce((sum, { count }) => sum + count, 0);
  const bytes = items.reduce((sum, item) => sum + bytesOf(state.geometry, item), 0);
  const sending: SenderState = {
    ...state,
    situation: 'sending',
    pace: withLeft(pace, bytes, frames * outstanding(state.members).length, nowMs),
    cursor,
    headDue: false,
    headMs: state.headDue || isFirst ? nowMs : state.headMs,
    burstInFlight: true,
    multicastBytes: state.multicastBytes + (state.pass === 1 ? bytes : 0),
    repairBytes: state.repairBytes + (state.pass === 1 ? 0 : bytes),
    nextBurstMs: plannedMs + (1000 * bytes) / sendingRate(pace),
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
    rateBytesPerS: Math.round(sendingRate(state.pace)),
  };
  return [{ ...state, announcedMs: nowMs }, [effect]];
}

function reported(state: SenderState, report: Report, nowMs: number): SenderStep {
  const isCurrent = report.pass === state.pass;
  // While a pass is on, what a member lacks may be on its way: it tells again at the end.
  const isEarly = state.situation === 'sending' && report.needed.length > 0;
  if (isCurrent && !isEarly)
    takeNeeds(state.geometry, state.needs, report.firstBatch, report.needed);
  const isAwaited = isCurrent && state.situation === 'gathering';
  const members = absorbReport(state.members, report, isAwaited);
  const roundTrip = heardEcho(state.roundTrips, report, nowMs);
  const next = { ...state, members, pace: withRoundTrip(state.pace, roundTrip) };
  if (outstanding(members).length === 0) return finish(next, nowMs);
  if (state.situation === 'greeting') {
    const isReady = allListen(members) && !seemsLong(next.pace);
    return isReady ? sendBurst(next, nowMs) : [next, []];
  }
  if (state.situation === 'sending' && isCurrent) {
    const headDue = next.headDue || (report.headWanted && nowMs - state.headMs >= headEveryMs);
    return [{ ...(isEarly ? next : slowedDown(next, report, nowMs)), headDue }, []];
  }
  if (state.situation !== 'gathering' || !allHeard(members)) return [next, []];
  return state.needs.total > 0 ? nextPass(next, nowMs) : [next, []];
}

/** For a member that loses frames, or will in a moment. */
function slowedDown(state: SenderState, report: Report, nowMs: number): SenderState {
  const { lostFrames, expectedFrames, backlogPerMille } = report;
  const isLoss = lostFrames > 0 || expectedFrames === 0;
  const pace = isLoss ? lossReported(state.pace, lostFrames, expectedFrames, nowMs) : state.pace;
  if (backlogPerMille === 0) return { ...state, pace };
  const nextBurstMs = Math.max(state.nextBurstMs, nowMs + pauseMs(backlogPerMille));
  const wakeAtMs = state.burstInFlight ? undefined : nextBurstMs;
  return { ...state, pace: backlogReported(pace, backlogPerMille, nowMs), nextBurstMs, wakeAtMs };
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
    pace: restarted(state.pace, nowMs),
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
