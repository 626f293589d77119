import { nothingNeeded } from './missing-frames.js';
import type { ReceiverEffect, ReceiverState } from './receiver-state.js';
import { backlogEveryMs, backlogTold, quietReportEveryMs, responseSpreadMs } from './timing.js';
import { lacksHead } from './units.js';

/*
 * What a member tells its leader unasked while a pass is on.
 */

/** The leader waits until all that it counts on listen; who comes later asks for the head. */
export function listening(state: ReceiverState): ReceiverEffect[] {
  const { situation, pass, units, geometry } = state;
  if (situation !== 'collecting' || !lacksHead(units)) return [];
  const missingTotal = geometry.frameCount - units.frames.size;
  const told = { ...nothingNeeded, pass, missingTotal, headWanted: true };
  return [{ type: 'report', ...told, moreFollow: true }];
}

/** The leader had better wait before the kernel drops what this host has no time for. */
export function backlog(state: ReceiverState, share: number, nowMs: number): ReceiverEffect[] {
  const { situation, hearing, pass } = state;
  if (situation !== 'collecting' || share < backlogTold) return [];
  if (nowMs - hearing.backlogMs < backlogEveryMs) return [];
  hearing.backlogMs = nowMs;
  const backlogPerMille = Math.min(1_000, Math.round(1_000 * share));
  const told = { ...nothingNeeded, pass, missingTotal: 1, backlogPerMille };
  return [{ type: 'report', ...told, moreFollow: true }];
}

/** Tells of losses while a long first pass is on, so that the leader can slow down. */
export function interim(state: ReceiverState, nowMs: number): ReceiverEffect[] {
  const { hearing, pass } = state;
  const { settled, examined } = hearing;
  const spreadMs = responseSpreadMs(state.participants) * state.random();
  Object.assign(hearing, { examined: Math.max(examined, settled), interimMs: nowMs + spreadMs });
  const expectedFrames = Math.max(0, settled - examined);
  const run = { first: examined, count: expectedFrames };
  const lostFrames = pass === 1 ? state.units.frames.countMissing(run) : 0;
  const headWanted = lacksHead(state.units);
  const isQuiet = lostFrames === 0 && !headWanted;
  if (isQuiet && nowMs - hearing.toldMs < quietReportEveryMs) return [];
  hearing.toldMs = nowMs;
  const missingTotal = Math.max(1, lostFrames);
  const told = { ...nothingNeeded, pass, missingTotal, expectedFrames, lostFrames, headWanted };
  return [{ type: 'report', ...told, moreFollow: true }];
}
