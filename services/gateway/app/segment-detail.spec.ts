import { create, toBinary } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { SegmentStatusSchema, SegmentViewSchema } from '#libs/contracts/index.js';
import { segmentDetail, UnknownSegment } from './segment-detail.js';

const segments = [create(SegmentViewSchema, { name: 'paris', leader: 'p1', term: 3n })];

describe('the detail of a segment', () => {
  test('is what the log knows and what its leader tells', async () => {
    const asked: string[] = [];
    const status = create(SegmentStatusSchema, { segment: 'paris', leader: 'p1', keyEpoch: 2 });
    const detail = await segmentDetail('paris', segments, async (subject) => {
      asked.push(subject);
      return toBinary(SegmentStatusSchema, status);
    });
    expect(asked).toEqual(['agent.p1.segment']);
    expect(detail).toMatchObject({ segment: { name: 'paris' }, status: { keyEpoch: 2 } });
  });

  test('is what the log knows when the leader does not answer', async () => {
    const silent = () => Promise.reject(new Error('no responders'));
    const detail = await segmentDetail('paris', segments, silent);
    expect(detail.status).toBeUndefined();
    expect(detail.unreachable).toBe('its leader p1 does not answer: no responders');
  });

  test('does not exist for a name that nobody has', async () => {
    const attempt = segmentDetail('rome', segments, async () => new Uint8Array());
    await expect(attempt).rejects.toThrow(UnknownSegment);
  });
});
