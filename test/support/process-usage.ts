import { readdirSync, readFileSync } from 'node:fs';

/** What a process has used so far. */
export interface ProcessUsage {
  readonly pid: number;
  readonly parentPid: number;
  readonly command: string;
  readonly cpuMs: number;
  readonly rssBytes: number;
}

/** Linux counts CPU time for user space in ticks of 10 ms, memory in pages of 4 KiB. */
const tickMs = 10;
const pageBytes = 4096;

/** A process and all below it, from /proc. */
export function processTree(rootPid: number): ProcessUsage[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => usageOf(Number(name)) ?? []);
  const found = all.filter(({ pid }) => pid === rootPid);
  for (const parent of found)
    found.push(...all.filter(({ parentPid }) => parentPid === parent.pid));
  return found;
}

function usageOf(pid: number): ProcessUsage | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [, parentPid = 0] = fields;
    const [userTicks = 0, systemTicks = 0] = fields.slice(11, 13);
    return {
      pid,
      parentPid,
      command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim(),
      cpuMs: (userTicks + systemTicks) * tickMs,
      rssBytes: (fields[21] ?? 0) * pageBytes,
    };
  } catch {
    return undefined;
  }
}
