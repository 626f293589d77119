import { create, fromBinary } from '@bufbuild/protobuf';
import {
  DomainError,
  type SegmentDetail,
  SegmentDetailSchema,
  SegmentStatusSchema,
  type SegmentView,
  subjects,
} from '#libs/contracts/index.js';

/** Sends a request to one subject of core NATS. @throws when nobody answers in time */
export type Ask = (subject: string, timeoutMs: number) => Promise<Uint8Array>;

export class UnknownSegment extends DomainError {
  override readonly name = 'UnknownSegment';
  constructor(segment: string) {
    super(`there is no segment ${segment}`, 'espalier get segments lists them');
  }
}

const answerWithinMs = 2_000;

/** What the log knows of a segment and, if its leader answers, what that tells of it now. */
export async function segmentDetail(
  name: string,
  segments: readonly SegmentView[],
  ask: Ask,
): Promise<SegmentDetail> {
  const segment = segments.find((one) => one.name === name);
  if (!segment) throw new UnknownSegment(name);
  try {
    const answer = await ask(subjects.segmentStatus(segment.leader), answerWithinMs);
    const status = fromBinary(SegmentStatusSchema, answer);
    return create(SegmentDetailSchema, { segment, status });
  } catch (error) {
    const unreachable = `its leader ${segment.leader} does not answer: ${(error as Error).message}`;
    return create(SegmentDetailSchema, { segment, unreachable });
  }
}
