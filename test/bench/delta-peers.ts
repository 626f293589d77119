import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findFreePort } from '#deploy/embedded/free-port.js';
import { scanTree } from '#libs/delta/adapters/scan-tree.js';

/** What another program sent or made for the same pair of trees. */
export interface PeerFigures {
  readonly peer: string;
  readonly bytes: number;
  readonly ms: number;
  readonly peakRssMb: number;
}

/** Above this the higher levels take very long, or all memory. */
const patientBytes = 128 * 1024 ** 2;
const limitBytes = 512 * 1024 ** 2;
const timer = '/usr/bin/time';

/**
 * Runs the programs that are installed; the others are left out. Of rsync, whose time is compared,
 * the median of as many runs as we had.
 */
export async function measurePeers(
  old: string,
  wanted: string,
  work: string,
  rounds: number,
): Promise<PeerFigures[]> {
  const changed = await changedFiles(old, wanted);
  const figures: (PeerFigures | undefined)[] = [];
  for (const options of [['-a'], ['-a', '-z', '--zc=zstd']]) {
    const runs: PeerFigures[] = [];
    for (let round = 0; round < rounds; round++) {
      const run = await measureRsync(old, wanted, work, changed, options);
      if (run) runs.push(run);
    }
    figures.push(runs.sort((a, b) => a.ms - b.ms)[runs.length >> 1]);
  }
  const tars = [tarOf(old, join(work, 'old.tar')), tarOf(wanted, join(work, 'new.tar'))] as const;
  const bytes = statSync(tars[1]).size;
  const zstdLevels = bytes > limitBytes ? ['-3'] : ['-9', ...(bytes > patientBytes ? [] : ['-19'])];
  for (const level of zstdLevels) figures.push(measureZstd(tars, work, level));
  for (const level of bytes > patientBytes ? ['-1'] : ['-1', '-9']) {
    figures.push(measureXdelta(tars, work, level));
  }
  for (const tar of tars) rmSync(tar);
  return figures.filter((figure) => figure !== undefined);
}

/** The tree as one file, for programs that know single files only. */
function tarOf(tree: string, path: string): string {
  const options = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner'];
  execFileSync('tar', [...options, '-cf', path, '-C', tree, '.']);
  return path;
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
 * To a daemon on the loopback that has a copy of the old tree. Files that changed without a change
 * of size or time are touched first: rsync would not see them.
 */
async function measureRsync(
  old: string,
  wanted: string,
  work: string,
  changed: readonly string[],
  options: readonly string[],
): Promise<PeerFigures | undefined> {
  if (spawnSync('rsync', ['--version']).error) return undefined;
  const copy = join(work, 'copy');
  execFileSync('cp', ['-a', old, copy]);
  for (const path of changed) {
    const { mtimeMs } = statSync(join(wanted, path));
    utimesSync(join(copy, path), mtimeMs / 1000 + 60, mtimeMs / 1000 + 60);
  }
  const daemon = await startDaemon(work, copy);
  try {
    const url = `rsync://127.0.0.1:${daemon.port}/copy/`;
    const run = measured('rsync', [...options, '--delete', '--stats', `${wanted}/`, url]);
    const total = (label: string) => {
      const found = new RegExp(`Total bytes ${label}: ([\\d,]+)`).exec(run?.stdout ?? '');
      return Number(found?.[1]?.replace(/,/g, ''));
    };
    const bytes = total('sent') + total('received');
    return run && { peer: `rsync ${options.join(' ')}`, bytes, ...timesOf(run) };
  } finally {
    await daemon.stop();
    rmSync(copy, { recursive: true, force: true });
  }
}

async function startDaemon(work: string, copy: string) {
  const port = await findFreePort();
  const config = join(work, 'rsyncd.conf');
  const { uid, gid } = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const rights = `uid = ${uid}\ngid = ${gid}\nuse chroot = no\nread only = no\n`;
  writeFileSync(config, `${rights}[copy]\npath = ${copy}\n`);
  const options = ['--daemon', '--no-detach', '--address=127.0.0.1', `--port=${port}`];
  const daemon = spawn('rsync', [...options, `--config=${config}`], { stdio: 'ignore' });
  const ended = once(daemon, 'exit');
  for (let attempt = 0; attempt < 100 && !(await answers(port)); attempt++) await delay(20);
  return {
    port,
    stop: async () => {
      daemon.kill();
      await ended;
    },
  };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

type Pair = readonly [old: string, wanted: string];

function measureZstd([old, wanted]: Pair, work: string, level: string) {
  const patch = join(work, 'patch');
  const options = ['-q', '-f', level, '--long=31', `--patch-from=${old}`, wanted, '-o', patch];
  return ofFile(`zstd --patch-from ${level}`, measured('zstd', options), patch);
}

function measureXdelta([old, wanted]: Pair, work: string, level: string) {
  const patch = join(work, 'patch');
  const window = ['-B', String(Math.max(2 ** 26, statSync(old).size))];
  const options = ['-e', '-f', level, ...window, '-s', old, wanted, patch];
  return ofFile(`xdelta3 ${level}`, measured('xdelta3', options), patch);
}

function ofFile(peer: string, run: Run | undefined, path: string): PeerFigures | undefined {
  if (!run) return undefined;
  const bytes = statSync(path).size;
  rmSync(path);
  return { peer, bytes, ...timesOf(run) };
}

interface Run {
  readonly stdout: string;
  readonly ms: number;
  /** 0 where GNU time is not installed. */
  readonly peakRssMb: number;
}

const timesOf = ({ ms, peakRssMb }: Run) => ({ ms, peakRssMb });

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
