import { type NeedReport, nothingNeeded } from './missing-frames.js';
import type { ReceiverEffect, ReceiverState } from './receiver-state.js';
import { neededOf } from './repair.js';

/** Batches in one message: it has to fit a datagram of an Ethernet. */
const batchesPerMessage = 550;
/** What a member asks for that has heard no frame at all: enough to learn whether it can. */
const probeFrames = 64;
/** For each batch; who has heard nothing asks for so few frames that it learns whether it can. */
export function neededByBatch({ geometry, units, repair, hearing }: ReceiverState): number[] {
  const needed: number[] = [];
  for (let batch = 0; batch < geometry.batchCount; batch++) {
    const count = neededOf(geometry, units, repair, batch);
    needed.push(hearing.frames === 0 ? Math.min(count, probeFrames) : count);
    if (hearing.frames === 0 && count > 0) break;
  }
  return needed;
}

/** Messages from the first batch in need on; those in between that are whole cost little. */
export function needMessages(
  state: ReceiverState,
  needed: readonly number[],
  missingTotal: number,
): ReceiverEffect[] {
  const messages: ReceiverEffect[] = [];
  for (let from = 0; from < needed.length; from += batchesPerMessage) {
    const part = needed.slice(from, from + batchesPerMessage);
    const first = part.findIndex((count) => count > 0);
    if (first < 0) continue;
    const rest = { firstBatch: from + first, needed: part.slice(first), missingTotal };
    const report: NeedReport = { ...nothingNeeded, ...lossOf(state), ...rest, moreFollow: true };
    messages.push({ type: 'report', ...report });
  }
  const last = messages.at(-1);
  if (last?.type === 'report') messages[messages.length - 1] = { ...last, moreFollow: false };
  return messages;
}

/** How well the first pass was heard, from the first frame on that was. */
function lossOf({ geometry, units, pass, hearing }: ReceiverState) {
  const { joinedAt } = hearing;
  if (pass !== 1 || joinedAt === undefined) return { pass };
  const run = { first: joinedAt, count: geometry.frameCount - joinedAt };
  return { pass, expectedFrames: run.count, lostFrames: units.frames.countMissing(run) };
}

export function unicastWanted({ pass }: ReceiverState): ReceiverEffect {
  return { type: 'report', ...nothingNeeded, pass, missingTotal: 1, unicastWanted: true };
}
