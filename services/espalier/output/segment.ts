import type { MemberStatus, SegmentDetail, SegmentStatus } from '#libs/contracts/index.js';
import { renderTable } from './table.js';
import { formatBytes } from './units.js';

/** The text of a segment's description. */
export function renderSegment({ segment, status, unreachable }: SegmentDetail): string {
  const facts: [string, string][] = [
    ['Segment', segment?.name ?? ''],
    ['Called', segment?.displayName ?? ''],
    ['Place', [segment?.location, segment?.region].filter(Boolean).join(', region ')],
    ['Leader', status?.leader || segment?.leader || '-'],
    ['Term', String(status?.term ?? segment?.term ?? 0n)],
    ['Members', String(status?.members.length ?? segment?.members ?? 0)],
    ...(status ? factsOf(status) : []),
    ['Changed', `${segment?.changedAt} (${segment?.reason})`],
    ['Live', unreachable],
  ];
  const lines = facts
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${`${name}:`.padEnd(14)} ${value}`);
  return status ? [...lines, '', memberTable(status.members)].join('\n') : lines.join('\n');
}

function factsOf(status: SegmentStatus): [string, string][] {
  const { electedAtMs, electionReason, multicastBytes, repairBytes, unicastBytes } = status;
  const repair = `${percent(Number(repairBytes), Number(multicastBytes))} repair`;
  const dropped = Object.entries(status.dropped)
    .filter(([reason, count]) => count > 0n && !expectedDrops.has(reason))
    .map(([reason, count]) => `${count} ${reason}`);
  return [
    ['Key epoch', String(status.keyEpoch)],
    ['Mode', `${status.mode}, control channel ${status.controlChannel}`],
    ['Elected', `${new Date(Number(electedAtMs)).toISOString()} (${electionReason})`],
    ['Throughput', throughput(status)],
    [
      'Bytes',
      `${formatBytes(Number(multicastBytes))} multicast, ${repair}, ` +
        `${formatBytes(Number(unicastBytes))} unicast`,
    ],
    ['Dropped', dropped.join(', ')],
  ];
}

/** Every agent drops these all the time: its own frames, and those that came both ways. */
const expectedDrops = new Set(['own', 'replayed']);

function throughput({ sessions, throughputBytesPerS }: SegmentStatus): string {
  if (sessions === 0) return 'nothing was multicast yet';
  const rate = `${formatBytes(Number(throughputBytesPerS))}/s`;
  return `${rate} over ${sessions} ${sessions === 1 ? 'session' : 'sessions'}`;
}

function memberTable(members: readonly MemberStatus[]): string {
  return renderTable(
    [
      ['member', ({ node }) => node],
      ['address', ({ address }) => address || '-'],
      ['reached by', ({ mode }) => mode],
      ['loss', (member) => (member.sessions ? `${member.lossPerMillion / 10_000} %` : '-')],
      ['sessions', ({ sessions }) => (sessions ? String(sessions) : '-')],
      ['pulls from', ({ pullsFrom }) => pullsFrom || '-'],
      ['depth', ({ depth }) => (depth ? String(depth) : '-')],
    ],
    members,
    'no members',
  );
}

function percent(part: number, whole: number): string {
  return whole === 0 ? '0 %' : `${((100 * part) / whole).toFixed(1)} %`;
}
