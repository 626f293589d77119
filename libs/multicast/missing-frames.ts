import { create } from '@bufbuild/protobuf';
import { type ControlMessage, ControlMessageSchema } from '#libs/contracts/index.js';

/** What a member still needs, or that it needs nothing (`missingTotal` 0). */
export interface NeedReport {
  readonly pass: number;
  /** Frames that batches from `firstBatch` on need, one number each. */
  readonly firstBatch: number;
  readonly needed: readonly number[];
  /** Over all batches, listed or not. */
  readonly missingTotal: number;
  readonly moreFollow: boolean;
  readonly unicastWanted: boolean;
  /** Of the frames of this pass that went by since the last report: all, and those lost. */
  readonly expectedFrames: number;
  readonly lostFrames: number;
  /** How full the receive buffer is, in thousandths; 0: not worth a word. */
  readonly backlogPerMille: number;
  /** Parts of the head are missing, and before it nothing can be verified. */
  readonly headWanted: boolean;
}

export const nothingNeeded: NeedReport = {
  pass: 1,
  firstBatch: 0,
  needed: [],
  missingTotal: 0,
  moreFollow: false,
  unicastWanted: false,
  expectedFrames: 0,
  lostFrames: 0,
  backlogPerMille: 0,
  headWanted: false,
};

/** What a member gives back of the newest announcement that it heard; see agent.proto. */
export interface StampEcho {
  readonly echoedMs: number;
  readonly heldMs: number;
}

/** The message that carries a member's report. */
export function missingFramesMessage(
  node: string,
  sessionId: Uint8Array,
  report: NeedReport & Partial<StampEcho>,
): ControlMessage {
  const needed = Buffer.alloc(2 * report.needed.length);
  for (const [at, count] of report.needed.entries()) needed.writeUInt16BE(count, 2 * at);
  return create(ControlMessageSchema, {
    message: { case: 'missingFrames', value: { ...report, node, sessionId, needed } },
  });
}

/** The other way round. */
export function neededIn(bytes: Uint8Array): number[] {
  const needed = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length & ~1);
  return Array.from({ length: needed.length / 2 }, (_, at) => needed.readUInt16BE(2 * at));
}
