import type { TreeLeader, TreeView } from '#libs/contracts/index.js';
import { type Column, renderTable } from './table.js';
import { formatBytes, formatDuration } from './units.js';

/** What a dry run says of the way to the segments: from whom, bytes per link, and the time. */
export function renderForecast(view: TreeView): string {
  const sizeBytes = Number(view.sizeBytes);
  const columns: readonly Column<TreeLeader>[] = [
    ['link into', ({ segment, name }) => name || segment],
    ['from', ({ sources }) => shares(sources, sizeBytes)],
    ['bytes', () => formatBytes(sizeBytes)],
  ];
  const links = view.leaders.filter(({ leader }) => leader !== '');
  const takes = formatDuration(Number(view.estimateMs));
  const total = formatBytes(sizeBytes * links.length);
  return [
    `uncompressed, it would go as ${view.shape}: ${total} over WAN links, ` + `about ${takes}`,
    renderTable(columns, links, 'no segment has a leader'),
  ].join('\n');
}

/** Each stripe has an even share; one source may have several. */
function shares(sources: readonly string[], sizeBytes: number): string {
  const counts = new Map<string, number>();
  for (const source of sources) counts.set(source, (counts.get(source) ?? 0) + 1);
  return [...counts]
    .map(([source, count]) => `${source} ${formatBytes((sizeBytes * count) / sources.length)}`)
    .join(', ');
}
