import { LeaderOrder, type TreeLeader, type TreeView } from '#libs/contracts/index.js';
import { type Column, renderTable } from './table.js';
import { formatBytes, formatDuration } from './units.js';

const columns: readonly Column<TreeLeader>[] = [
  ['segment', ({ segment, name }) => (name === segment ? segment : `${name} (${segment})`)],
  ['leader', ({ leader }) => leader || '-'],
  ['from', (leader) => fromWhom(leader)],
  ['region', ({ region }) => region || '-'],
  ['location', ({ location, timeZone }) => [location, timeZone].filter(Boolean).join(' ') || '-'],
  ['cpu', ({ cpuCount, cpuMhz }) => `${cpuCount} x ${cpuMhz} MHz`],
  ['disk free', ({ diskFreeBytes }) => formatBytes(Number(diskFreeBytes))],
  ['up', ({ upBytesPerS }) => rate(upBytesPerS)],
  ['down', ({ downBytesPerS }) => rate(downBytesPerS)],
  ['rtt', ({ rttUs }) => (rttUs ? `${(rttUs / 1_000).toFixed(1)} ms` : '-')],
  ['in', ({ bytesIn }) => formatBytes(Number(bytesIn))],
  ['out', ({ bytesOut }) => formatBytes(Number(bytesOut))],
  ['ok/failed', ({ received, failed }) => `${received}/${failed}`],
];

/** The leaders in their order, and from whom each would pull. */
export function renderTree(view: TreeView): string {
  const table = renderTable(columns, view.leaders, 'no segments yet; espalier agent starts one');
  const who = view.isFixed ? 'fixed by an administrator' : `by ${orderName(view.orderBy)}`;
  const size = formatBytes(Number(view.sizeBytes));
  const takes = formatDuration(Number(view.estimateMs));
  const sent = formatBytes(Number(view.originBytesOut));
  return `${who}; ${size} as ${view.shape}: about ${takes}, ${sent} from the origin\n${table}`;
}

function orderName(orderBy: LeaderOrder): string {
  return LeaderOrder[orderBy]?.toLowerCase() ?? 'the planner';
}

function fromWhom({ sources, isLeaf }: TreeLeader): string {
  const all = [...new Set(sources)].join(' ');
  return isLeaf ? `${all} (leaf)` : all;
}

function rate(bytesPerS: bigint): string {
  return bytesPerS === 0n ? '-' : `${formatBytes(Number(bytesPerS))}/s`;
}
