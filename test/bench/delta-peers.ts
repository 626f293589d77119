import { execFileSync, spawnSync } from 'node:child_process';
import { lstatSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { scanTree } from '#libs/delta/adapters/scan-tree.js';

/** What another program sent or made for the same pair of trees. */
export interface PeerFigures {
  readonly peer: string;
  readonly bytes: number;
  readonly ms: number;
  readonly peakRssMb: number;
}

/** Above this the higher levels of zstd take very long. */
const patientBytes = 128 * 1024 ** 2;
const timer = '/usr/bin/time';

/** Runs the programs that are installed; the others are left out. */
export async function measurePeers(
  old: string,
  wanted: string,
  work: string,
): Promise<PeerFigures[]> {
  const changed = await changedFiles(old, wanted);
  const figures: (PeerFigures | undefined)[] = [];
  for (const options of [['-a'], ['-a', '-z']]) {
    figures.push(measureRsync(old, wanted, join(work, 'copy'), changed, options));
  }
  const only = largestOf(changed, wanted);
  if (only !== undefined) {
    const pair = [join(old, only), join(wanted, only)] as const;
    const levels = lstatSync(pair[1]).size > patientBytes ? ['-3'] : ['-3', '-9', '-19'];
    for (const level of levels) figures.push(measureZstd(pair, work, level));
    for (const level of ['-1', '-9']) figures.push(measureXdelta(pair, work, level));
  }
  return figures.filter((figure) => figure !== undefined);
}

/** The file that makes up nearly all that changed: what programs for single files can be given. */
function largestOf(changed: readonly string[], wanted: string): string | undefined {
  const sizes = changed.map((path) => ({ path, bytes: lstatSync(join(wanted, path)).size }));
  const [largest] = sizes.sort((a, b) => b.bytes - a.bytes);
  const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  return largest && largest.bytes > 0.9 * total ? largest.path : undefined;
}

async function changedFiles(old: string, wanted: string): Promise<string[]> {
  const scans = [await scanTree(old, { rules: [] }), await scanTree(wanted, { rules: [] })];
  const [before, after] = scans.map(
    ({ manifest }) =>
      new Map(manifest.flatMap((entry) => (entry.type === 'file' ? [[entry.path, entry]] : []))),
  );
  return [...(after ?? [])].flatMap(([path, { digest }]) => {
    const known = before?.get(path)?.digest;
    return known !== undefined && known !== digest ? [path] : [];
  });
}

/**
 * Into a copy of the old tree, with rsync's delta algorithm as over a network. Files that changed
 * without a change of size or time are touched first: rsync would not see them.
 */
function measureRsync(
  old: string,
  wanted: string,
  copy: string,
  changed: readonly string[],
  options: readonly string[],
): PeerFigures | undefined {
  rmSync(copy, { recursive: true, force: true });
  execFileSync('cp', ['-a', old, copy]);
  for (const path of changed) {
    const { mtimeMs } = statSync(join(wanted, path));
    utimesSync(join(copy, path), mtimeMs / 1000 + 60, mtimeMs / 1000 + 60);
  }
  const all = [...options, '--delete', '--no-whole-file', '--stats', `${wanted}/`, `${copy}/`];
  const run = measured('rsync', all);
  rmSync(copy, { recursive: true, force: true });
  if (!run) return undefined;
  const total = (label: string) =>
    Number(new RegExp(`Total bytes ${label}: ([\\d,]+)`).exec(run.stdout)?.[1]?.replace(/,/g, ''));
  const bytes = total('sent') + total('received');
  return { peer: `rsync ${options.join(' ')}`, bytes, ms: run.ms, peakRssMb: run.peakRssMb };
}

function measureZstd([old, wanted]: readonly [string, string], work: string, level: string) {
  const patch = join(work, 'patch');
  const options = ['-q', '-f', level, '--long=31', `--patch-from=${old}`, wanted, '-o', patch];
  return ofFile(`zstd --patch-from ${level}`, measured('zstd', options), patch);
}

function measureXdelta([old, wanted]: readonly [string, string], work: string, level: string) {
  const patch = join(work, 'patch');
  const window = ['-B', String(Math.max(2 ** 26, lstatSync(old).size))];
  const options = ['-e', '-f', level, ...window, '-s', old, wanted, patch];
  return ofFile(`xdelta3 ${level}`, measured('xdelta3', options), patch);
}

function ofFile(peer: string, run: Run | undefined, path: string): PeerFigures | undefined {
  if (!run) return undefined;
  const bytes = statSync(path).size;
  rmSync(path);
  return { peer, bytes, ms: run.ms, peakRssMb: run.peakRssMb };
}

interface Run {
  readonly stdout: string;
  readonly ms: number;
  /** 0 where GNU time is not installed. */
  readonly peakRssMb: number;
}

/** Undefined when the program is not installed. @throws Error when it fails */
function measured(program: string, args: readonly string[]): Run | undefined {
  const hasTimer = spawnSync(timer, ['--version']).status === 0;
  const [command = '', ...rest] = hasTimer
    ? [timer, '-f', '%M', program, ...args]
    : [program, ...args];
  const startedMs = performance.now();
  const { status, stdout, stderr, error } = spawnSync(command, rest, {
    env: { ...process.env, LC_ALL: 'C' },
    maxBuffer: 2 ** 26,
  });
  const ms = Math.round(performance.now() - startedMs);
  if (error || status === 127) return undefined;
  if (status !== 0) throw new Error(`${program} failed: ${stderr}`);
  const kib = hasTimer ? Number(stderr.toString().trim().split('\n').at(-1)) : 0;
  return { stdout: stdout.toString(), ms, peakRssMb: Math.round(kib / 1024) };
}
