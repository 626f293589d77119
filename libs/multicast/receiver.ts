import type { FrameRun } from './frame-set.js';
import { frameRange, rangeOfRun } from './geometry.js';
import { nothingNeeded } from './missing-frames.js';
import { backlog, interim, listening } from './receiver-notices.js';
import { neededByBatch, needMessages, unicastWanted } from './receiver-report.js';
import type {
  Hearing,
  ReceiverEffect,
  ReceiverInput,
  ReceiverState,
  ReceiverStep,
} from './receiver-state.js';
import { distrust, forget, isMendable, stashParity } from './repair.js';
import { inlineBytes, type StopReason } from './session.js';
import {
  askAfterMs,
  inlineSettleMs,
  interimEveryMs,
  joiningMs,
  lateMs,
  leaderGoneMs,
  responseSpreadMs,
  settleMs,
} from './timing.js';
import { allSound, takeFrames, takeVerdict } from './units.js';

/** So many passes without a frame, and multicast does not get through to this member. */
const maxUnheardPasses = 4;

/** When to step with a tick at the latest; `undefined`: no need to. */
export function receiverWakeAtMs(state: ReceiverState): number | undefined {
  if (state.reportAtMs !== undefined) return state.reportAtMs;
  return state.situation === 'collecting' ? nextAskMs(state) : undefined;
}

export function stepReceiver(
  state: ReceiverState,
  input: ReceiverInput,
  nowMs: number,
): ReceiverStep {
  switch (input.type) {
    case 'announced':
      return announced(state, input, nowMs);
    case 'frames':
      return framed(state, input, nowMs);
    case 'repair-frame':
      return repairFrame(state, input, nowMs);
    case 'mended':
      return mended(state, input, nowMs);
    case 'verified':
      return verified(state, input.unit, input.isSound, nowMs);
    case 'listening':
      return [state, listening(state)];
    case 'backlog':
      return [state, backlog(state, input.share, nowMs)];
    case 'done':
      if (state.situation !== 'finishing') return [state, []];
      return dueReport({ ...state, situation: 'complete' }, nowMs);
    case 'tick':
      return ticked(state, nowMs);
    case 'stop':
      return stop(state, input.reason);
  }
}

function announced(
  state: ReceiverState,
  input: Extract<ReceiverInput, { type: 'announced' }>,
  nowMs: number,
): ReceiverStep {
  const isListed = input.participants.includes(state.node);
  const heard: ReceiverState = {
    ...inPass(state, input.pass, nowMs),
    participants: Math.max(1, input.participants.length),
    wasListed: state.wasListed || isListed,
  };
  heard.hearing.askedUnasked = 0;
  heard.hearing.anyMs = nowMs;
  const isLetGo = state.wasListed && !isListed && input.pass >= state.pass;
  const isOver = input.participants.length === 0 || isLetGo;
  if (isOver) return heard.situation === 'collecting' ? stop(heard, 'unicast') : [heard, []];
  if (heard.situation === 'complete') return isListed ? dueReport(heard, nowMs) : [heard, []];
  if (!input.passEnded) return [heard, []];
  if (heard.situation !== 'collecting') return dueReport(heard, nowMs);
  const isNews = heard.hearing.frames === 0 && input.pass !== heard.endedPass;
  const ended: ReceiverState = {
    ...heard,
    endedPass: input.pass,
    unheardPasses: heard.unheardPasses + (isNews ? 1 : 0),
  };
  if (ended.hearing.frames > 0 || ended.unheardPasses < maxUnheardPasses) {
    return dueReport(ended, nowMs);
  }
  const [stopped, effects] = stop(ended, 'unicast');
  const [reported, report] = dueReport(stopped, nowMs);
  return [reported, [...effects, ...report]];
}

/** A new pass starts the search for losses anew; a report on the one before has come too late. */
function inPass(state: ReceiverState, pass: number, nowMs: number): ReceiverState {
  if (pass === state.pass) return state;
  const reportAtMs = state.situation === 'collecting' ? undefined : state.reportAtMs;
  const isReportOwed = false;
  const marks = { marked: 0, settled: 0, markedMs: nowMs };
  Object.assign(state.hearing, { examined: 0, highest: -1, interimMs: nowMs, ...marks });
  return { ...state, pass, reportAtMs, isReportOwed };
}

function framed(
  state: ReceiverState,
  input: Extract<ReceiverInput, { type: 'frames' }>,
  nowMs: number,
): ReceiverStep {
  const { first, count, content } = input;
  const { geometry } = state;
  if (state.situation !== 'collecting') return [state, []];
  if (count < 1 || first + count > geometry.frameCount) return [state, []];
  if (content.length !== rangeOfRun(geometry, input).length) return [state, []];
  const current = input.pass > state.pass ? inPass(state, input.pass, nowMs) : state;
  const { hearing } = current;
  heardFrames(hearing, count, nowMs);
  if (input.pass === current.pass) {
    if (hearing.highest < 0) {
      Object.assign(hearing, { examined: first, settled: first, marked: first, markedMs: nowMs });
    }
    if (nowMs - hearing.markedMs >= lateMs) {
      const { marked, highest } = hearing;
      Object.assign(hearing, { settled: marked, marked: highest, markedMs: nowMs });
    }
    if (input.pass === 1) hearing.joinedAt ??= first;
    hearing.highest = Math.max(hearing.highest, first + count - 1);
  }
  const effects = taken(current, input, content);
  if (nowMs - hearing.interimMs < interimEveryMs) return [current, effects];
  return [current, [...effects, ...interim(current, nowMs)]];
}

function heardFrames(hearing: Hearing, count: number, nowMs: number): void {
  hearing.frames += count;
  hearing.anyMs = nowMs;
  hearing.frameMs = nowMs;
  hearing.askedUnasked = 0;
}

function taken(state: ReceiverState, run: FrameRun, content: Uint8Array): ReceiverEffect[] {
  const { geometry, units, repair } = state;
  const { pieces, toVerify } = takeFrames(geometry, units, run, content);
  const effects: ReceiverEffect[] = [];
  for (const piece of pieces) effects.push({ type: 'write', ...piece });
  for (const unit of toVerify) effects.push({ type: 'verify', unit });
  if (repair.stash.size === 0) return effects;
  const lastBatch = Math.floor((run.first + run.count - 1) / geometry.batchFrames);
  const firstBatch = Math.floor(run.first / geometry.batchFrames);
  for (let batch = firstBatch; batch <= lastBatch; batch++) effects.push(...mending(state, batch));
  return effects;
}

function mending(state: ReceiverState, batch: number): ReceiverEffect[] {
  const { geometry, units, repair } = state;
  if (!isMendable(geometry, units, repair, batch)) return [];
  repair.mending.add(batch);
  return [{ type: 'mend', batch }];
}

function repairFrame(
  state: ReceiverState,
  input: Extract<ReceiverInput, { type: 'repair-frame' }>,
  nowMs: number,
): ReceiverStep {
  if (state.situation !== 'collecting') return [state, []];
  const current = input.pass > state.pass ? inPass(state, input.pass, nowMs) : state;
  stashParity(state.geometry, state.units, state.repair, input.batch, input);
  heardFrames(current.hearing, 1, nowMs);
  return [current, mending(state, input.batch)];
}

function mended(
  state: ReceiverState,
  { batch, frames }: Extract<ReceiverInput, { type: 'mended' }>,
  nowMs: number,
): ReceiverStep {
  const { geometry, repair } = state;
  repair.mending.delete(batch);
  if (state.situation !== 'collecting') return [state, []];
  const held = repair.stash.get(batch)?.size ?? 0;
  if (frames.size > 0) forget(repair, batch);
  else repair.insufficient.set(batch, held);
  const effects: ReceiverEffect[] = [];
  for (const [sequence, content] of frames) {
    const { length } = frameRange(geometry, sequence);
    const run = { first: sequence, count: 1 };
    effects.push(...taken(state, run, content.subarray(0, length)));
  }
  if (frames.size === 0) effects.push(...mending(state, batch));
  const isStuck = frames.size === 0 && !repair.mending.has(batch);
  const [next, report] = isStuck && state.isReportOwed ? dueReport(state, nowMs) : [state, []];
  return [next, [...effects, ...report]];
}

function verified(
  state: ReceiverState,
  unit: number,
  isSound: boolean,
  nowMs: number,
): ReceiverStep {
  if (state.situation !== 'collecting') return [state, []];
  const toVerify = takeVerdict(state.geometry, state.units, unit, isSound);
  if (!isSound) distrust(state.geometry, state.repair, unit);
  const effects: ReceiverEffect[] = toVerify.map((next) => ({ type: 'verify', unit: next }));
  if (allSound(state.units)) {
    return [{ ...state, situation: 'finishing' }, [...effects, { type: 'finish' }]];
  }
  const [next, report] = isSound || !state.isReportOwed ? [state, []] : dueReport(state, nowMs);
  return [next, [...effects, ...report]];
}

/**
 * A report, after a delay that grows with the segment: none in a small one, but for frames that may
 * still be in the socket when the end of the pass has overtaken them.
 */
function dueReport(state: ReceiverState, nowMs: number): ReceiverStep {
  if (state.reportAtMs !== undefined) return [state, []];
  const delayMs = settlingMs(state, nowMs) + responseSpreadMs(state.participants) * state.random();
  const due = { ...state, reportAtMs: nowMs + delayMs };
  return delayMs > 0 ? [due, []] : report(due);
}

/** Joining a group takes time: the tries to hear anything come later and later. */
function settlingMs(state: ReceiverState, nowMs: number): number {
  if (state.situation !== 'collecting') return 0;
  if (state.hearing.frames > 0 || state.unheardPasses <= 1) return settle(state);
  if (state.unheardPasses < maxUnheardPasses - 1) return 10 * settleMs;
  return Math.max(10 * settleMs, state.startedMs + joiningMs - nowMs);
}

/** Frames on the control channel are hardly ever overtaken by the end of their pass. */
function settle({ geometry }: ReceiverState): number {
  return geometry.containerBytes <= inlineBytes ? inlineSettleMs : settleMs;
}

function report(state: ReceiverState): ReceiverStep {
  const sent: ReceiverState = { ...state, reportAtMs: undefined, isReportOwed: false };
  if (state.situation === 'complete') {
    return [sent, [{ type: 'report', ...nothingNeeded, pass: state.pass }]];
  }
  if (state.situation === 'stopped') {
    return [sent, state.stopReason === 'unicast' ? [unicastWanted(state)] : []];
  }
  const needed = neededByBatch(state);
  const missingTotal = needed.reduce((sum, count) => sum + count, 0);
  if (missingTotal === 0) {
    // Everything is there but not all is mended and verified: the answer follows from the verdict.
    const busy = { ...nothingNeeded, pass: state.pass, missingTotal: 1, moreFollow: true };
    return [{ ...sent, isReportOwed: true }, [{ type: 'report', ...busy }]];
  }
  return [sent, needMessages(state, needed, missingTotal)];
}

function ticked(state: ReceiverState, nowMs: number): ReceiverStep {
  if (state.reportAtMs !== undefined) {
    if (nowMs < state.reportAtMs) return [state, []];
    const isSettled =
      state.situation !== 'collecting' || nowMs >= state.hearing.frameMs + settle(state);
    return isSettled
      ? report(state)
      : [{ ...state, reportAtMs: state.hearing.frameMs + settle(state) }, []];
  }
  if (state.situation !== 'collecting') return [state, []];
  if (nowMs - state.hearing.anyMs >= leaderGoneMs) return stop(state, 'silence');
  if (nowMs < nextAskMs(state)) return [state, []];
  state.hearing.askedUnasked++;
  return dueReport(state, nowMs);
}

/** When nothing is heard, the end of the pass may have been lost: ask, each time later. */
function nextAskMs(state: ReceiverState): number {
  const askMs = askAfterMs * (2 ** (state.hearing.askedUnasked + 1) - 1);
  return state.hearing.anyMs + Math.min(leaderGoneMs, askMs + responseSpreadMs(state.participants));
}

function stop(state: ReceiverState, reason: StopReason): ReceiverStep {
  if (state.situation === 'complete' || state.situation === 'stopped') return [state, []];
  const isUnicast = reason === 'unicast' || reason === 'failed';
  const stopped: ReceiverState = {
    ...state,
    situation: 'stopped',
    stopReason: isUnicast ? 'unicast' : reason,
    reportAtMs: undefined,
  };
  const told: ReceiverEffect[] = reason === 'failed' ? [unicastWanted(state)] : [];
  return [stopped, [{ type: 'stopped', reason }, ...told]];
}
