import { readFile } from 'node:fs/promises';
import { run } from './run.js';

/**
 * Names one life of one process, so that a process number used again is not taken for the old
 * process. Undefined when no such process lives; a zombie does not live.
 */
export async function identityOf(pid: number): Promise<string | undefined> {
  const bootId = await textOf('/proc/sys/kernel/random/boot_id');
  if (bootId === undefined) return identityFromPs(pid);
  const stat = await textOf(`/proc/${pid}/stat`);
  const [state, ...rest] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  const startedTicks = rest[18];
  if (state === undefined || startedTicks === undefined || /[ZX]/.test(state)) return undefined;
  return `${pid} ${startedTicks} ${bootId.trim()}`;
}

/** The arguments of a living process, joined by blanks; empty when it does not live. */
export async function commandLineOf(pid: number): Promise<string> {
  const text = await textOf(`/proc/${pid}/cmdline`);
  if (text !== undefined) return text.replaceAll('\0', ' ').trim();
  const ps = await run('ps', ['-o', 'command=', '-p', String(pid)]);
  return ps.ok ? ps.stdout.trim() : '';
}

export function pidOf(identity: string): number {
  return Number.parseInt(identity, 10);
}

/** For hosts without /proc. */
async function identityFromPs(pid: number): Promise<string | undefined> {
  const ps = await run('ps', ['-o', 'stat=,lstart=', '-p', String(pid)]);
  const [state, ...started] = ps.stdout.trim().split(/\s+/);
  if (!ps.ok || !state || state.startsWith('Z')) return undefined;
  return `${pid} ${started.join(' ')}`;
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
}
