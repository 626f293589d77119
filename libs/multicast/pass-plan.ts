import type { FrameRun } from './frame-set.js';
import { framesOfBatch, framesOfUnit, type Geometry, rangeOfRun } from './geometry.js';

/** Something a pass sends: frames of the container, or repair frames of one batch. */
export type PassItem =
  | ({ readonly type: 'frames' } & FrameRun)
  | ({ readonly type: 'repair'; readonly batch: number } & FrameRun);

export interface PassPlan {
  readonly items: readonly PassItem[];
  readonly frameCount: number;
}

/** Where in a plan a pass is. */
export interface PassCursor {
  readonly item: number;
  /** Frames of the item that have been sent. */
  readonly done: number;
}

export const passStart: PassCursor = { item: 0, done: 0 };

/** The first pass: every frame once. */
export function wholeContainer({ frameCount }: Geometry): PassPlan {
  return { items: [{ type: 'frames', first: 0, count: frameCount }], frameCount };
}

/** The frames that carry the head. */
export function headOf(geometry: Geometry): PassItem {
  const { first, last } = framesOfUnit(geometry, 0);
  return { type: 'frames', first, count: last - first + 1 };
}

/** What each batch needs: the most that any member lacks of it. Changes in place. */
export interface Needs {
  readonly perBatch: Uint16Array;
  /** The repair frame of each batch that comes next: none is sent twice. */
  readonly nextRepair: Uint16Array;
  total: number;
}

export function noNeeds({ batchCount }: Geometry, before?: Needs): Needs {
  const nextRepair = before?.nextRepair ?? new Uint16Array(batchCount);
  return { perBatch: new Uint16Array(batchCount), nextRepair, total: 0 };
}

export function takeNeeds(
  geometry: Geometry,
  needs: Needs,
  firstBatch: number,
  needed: readonly number[],
): void {
  for (const [at, count] of needed.entries()) {
    const batch = firstBatch + at;
    if (batch >= geometry.batchCount) return;
    const most = Math.min(count, framesOfBatch(geometry, batch).count);
    const before = needs.perBatch[batch] ?? 0;
    if (most <= before) continue;
    needs.perBatch[batch] = most;
    needs.total += most - before;
  }
}

/** Beyond, the frames themselves cost less: no work for either side. */
const repairShare = 0.5;
const maxRepairIndex = 65_000;
const maxMarginShare = 0.3;
/** Where so few are needed in all, these more cost less than one more pass. */
const fewNeeded = 256;
const moreIfFew = 2;

/**
 * A repair pass: as many new repair frames of a batch as the worst member needs, and so many more
 * as are likely to be lost; where one lacks most of a batch, the batch itself.
 */
export function repairPass(geometry: Geometry, needs: Needs, lossShare: number): PassPlan {
  const items: PassItem[] = [];
  let frameCount = 0;
  const more = needs.total <= fewNeeded ? moreIfFew : 0;
  for (const [batch, needed] of needs.perBatch.entries()) {
    if (needed === 0) continue;
    const frames = framesOfBatch(geometry, batch);
    const margin = needed * (1 / (1 - Math.min(maxMarginShare, lossShare)) - 1);
    const count = needed + Math.max(more, Math.floor(margin));
    const first = needs.nextRepair[batch] ?? 0;
    const isWorthIt = needed <= frames.count * repairShare && first + count < maxRepairIndex;
    if (isWorthIt) needs.nextRepair[batch] = first + count;
    const item: PassItem = isWorthIt
      ? { type: 'repair', batch, first, count }
      : { type: 'frames', ...frames };
    items.push(item);
    frameCount += item.count;
  }
  return { items, frameCount };
}

/** The next frames of a plan, at most `room` of them. */
export function nextFrames(
  { items }: PassPlan,
  { item, done }: PassCursor,
  room: number,
): { readonly items: readonly PassItem[]; readonly cursor: PassCursor } {
  const taken: PassItem[] = [];
  let cursor = { item, done };
  for (let left = room; left > 0; ) {
    const next = items[cursor.item];
    if (!next) break;
    const count = Math.min(left, next.count - cursor.done);
    taken.push({ ...next, first: next.first + cursor.done, count });
    left -= count;
    const isDone = cursor.done + count === next.count;
    cursor = isDone
      ? { item: cursor.item + 1, done: 0 }
      : { item: cursor.item, done: cursor.done + count };
  }
  return { items: taken, cursor };
}

export function isAtEnd({ items }: PassPlan, { item }: PassCursor): boolean {
  return item >= items.length;
}

export function bytesOf(geometry: Geometry, item: PassItem): number {
  if (item.type === 'repair') return item.count * geometry.frameBytes;
  return rangeOfRun(geometry, item).length;
}
