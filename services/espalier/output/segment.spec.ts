import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { SegmentDetailSchema } from '#libs/contracts/index.js';
import { renderSegment } from './segment.js';

const segment = { name: 'paris', leader: 'p1', term: 3n, members: 2, reason: 'joined p1, p2' };

describe('the description of a segment', () => {
  it('shows what its leader tells', () => {
    const status = {
      leader: 'p1',
      term: 3n,
      keyEpoch: 2,
      mode: 'mixed',
      controlChannel: '239.255.1.2:20000',
      electedAtMs: 0n,
      electionReason: 'leader-silent',
      members: [
        { node: 'p1', mode: 'leader' },
        { node: 'p2', mode: 'multicast', lossPerMillion: 12_300, sessions: 4 },
      ],
      sessions: 4,
      multicastBytes: 1_048_576n,
      repairBytes: 104_858n,
      throughputBytesPerS: 2_097_152n,
      dropped: { own: 9n, stale: 3n, forged: 0n },
    };
    const text = renderSegment(create(SegmentDetailSchema, { segment, status }));
    expect(text).toContain('Key epoch:     2');
    expect(text).toContain('Mode:          mixed, control channel 239.255.1.2:20000');
    expect(text).toContain('Elected:       1970-01-01T00:00:00.000Z (leader-silent)');
    expect(text).toContain('Throughput:    2.0 MiB/s over 4 sessions');
    expect(text).toContain('1.0 MiB multicast, 10.0 % repair');
    expect(text).toContain('Dropped:       3 stale\n');
    expect(text).toMatch(/p2 +- +multicast +1\.23 % +4/);
  });

  it('shows who pulls from whom where multicast is not heard', () => {
    const members = [
      { node: 'p1', mode: 'leader' },
      { node: 'p2', mode: 'unicast', pullsFrom: 'p1', depth: 1 },
      { node: 'p3', mode: 'unicast', pullsFrom: 'p2', depth: 2 },
    ];
    const status = { leader: 'p1', mode: 'unicast', members };
    const text = renderSegment(create(SegmentDetailSchema, { segment, status }));
    expect(text).toMatch(/MEMBER.*PULLS FROM +DEPTH/);
    expect(text).toMatch(/p1 .*leader.*- +-/);
    expect(text).toMatch(/p2 .*unicast.* p1 +1/);
    expect(text).toMatch(/p3 .*unicast.* p2 +2/);
  });

  it('shows what the log knows when the leader does not answer', () => {
    const unreachable = 'its leader p1 does not answer: timeout';
    const text = renderSegment(create(SegmentDetailSchema, { segment, unreachable }));
    expect(text).toContain('Leader:        p1');
    expect(text).toContain(unreachable);
  });
});
