import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { scanTree } from '#libs/delta/adapters/scan-tree.js';
import { diffManifests } from '#libs/delta/diff.js';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import { measureMemory } from './scan-memory.js';

/*
 * What it costs to look at a tree that has not changed, and to read all of it: beside `find
 * -printf`, `rsync -an` and `rsync -anc` of the same tree and a copy of it; and how the costs grow
 * with the number of files. All in a warm cache, medians. With `--memory`: see `scan-memory.ts`.
 */
const { values: options } = parseArgs({
  options: {
    files: { type: 'string', default: '50000' },
    sizes: { type: 'string', default: '10000,50000,100000' },
    rounds: { type: 'string', default: '5' },
    dir: { type: 'string', default: tmpdir() },
    memory: { type: 'boolean', default: false },
    entries: { type: 'string', default: '1000000' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const help = `bench:scan [--files 50000] [--sizes 10000,50000] [--rounds 5] [--dir DIR] [--json]
  times, beside find and rsync
bench:scan --memory [--entries 1000000] [--dir DIR] [--json]
  peak memory of the first scan, and of rescan and difference, each in a process of its own
`;
const rounds = Number(options.rounds);
const peerFiles = Number(options.files);
/** Younger files are not trusted: their times may not tell of the next change. */
const settleMs = 2_100;
const filesPerDirectory = 100;
const mostBytes = 6_000;

if (options.help) {
  process.stdout.write(help);
  process.exit();
}
const work = mkdtempSync(join(options.dir, 'espalier-scan-'));
try {
  if (options.memory) await reportMemory(Number(options.entries));
  else await reportTimes();
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** Small files: it is entries that take memory. */
async function reportMemory(entries: number): Promise<void> {
  const tree = join(work, 'tree');
  makeTree(tree, entries, (index) => String(index));
  await delay(settleMs);
  const memory = measureMemory(tree, work);
  const mostMb = Math.max(memory.firstScan.peakRssMb, memory.rescan.peakRssMb);
  report({ entries, ...memory, peakBytesPerEntry: Math.round((mostMb * 1024 ** 2) / entries) });
}

async function reportTimes(): Promise<void> {
  const sizes = [...new Set([...options.sizes.split(',').map(Number), peerFiles])];
  const growth = [];
  for (const files of sizes.sort((a, b) => a - b)) growth.push(await measure(files));
  const atPeers = growth.find(({ files }) => files === peerFiles);
  const { peers, rescanMs = 0, firstHashMs = 0 } = atPeers ?? {};
  const ratio = (ms: number, peerMs?: number) => peerMs && Math.round((ms / peerMs) * 100) / 100;
  report({
    ...{ files: peerFiles, rescanMs, firstHashMs, ...peers },
    rescanPerFind: ratio(rescanMs, peers?.findMs),
    rescanPerRsync: ratio(rescanMs, peers?.rsyncMs),
    firstHashPerRsync: ratio(firstHashMs, peers?.rsyncChecksumMs),
    growth: growth.map(({ peers: _, ...row }) => ({
      ...row,
      rescanUsPerFile: Math.round((row.rescanMs / row.files) * 10_000) / 10,
    })),
  });
}

async function measure(files: number) {
  process.stderr.write(`${files} files\n`);
  const tree = join(work, 'tree');
  makeTree(tree, files);
  await delay(settleMs);
  const { cache, manifest } = await scanTree(tree, { rules: [] });
  const firstHashMs = await median(() => scanTree(tree, { rules: [] }));
  const rescanMs = await median(async () => {
    const scan = await scanTree(tree, { rules: [], previous: cache });
    if (scan.filesRead > 0) throw new Error(`${scan.filesRead} unchanged files were read`);
  });
  const diffMs = await median(async () => diffManifests(manifest, manifest));
  const peers = files === peerFiles ? await measurePeers(tree) : undefined;
  rmSync(tree, { recursive: true });
  return { files, firstHashMs, rescanMs, diffMs, peers };
}

async function measurePeers(tree: string) {
  const copy = join(work, 'copy');
  execFileSync('cp', ['-a', tree, copy]);
  const ms = (program: string, args: string[]) =>
    isInstalled(program)
      ? median(async () => execFileSync(program, args, { stdio: 'ignore' }))
      : undefined;
  const pair = [`${tree}/`, `${copy}/`];
  const result = {
    findMs: await ms('find', [tree, '-printf', '%p %y %m %s %T@ %C@ %i %l\\n']),
    rsyncMs: await ms('rsync', ['-an', '--delete', ...pair]),
    rsyncChecksumMs: await ms('rsync', ['-anc', '--delete', ...pair]),
  };
  rmSync(copy, { recursive: true });
  return result;
}

function isInstalled(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;
}

async function median(action: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const startedMs = performance.now();
    await action();
    times.push(performance.now() - startedMs);
  }
  times.sort((a, b) => a - b);
  return Math.round(times[times.length >> 1] as number);
}

function makeTree(tree: string, files: number, textOf = textsOfAnySize(files)): void {
  for (let index = 0; index < files; index++) {
    const directory = join(tree, `d${Math.floor(index / filesPerDirectory)}`);
    if (index % filesPerDirectory === 0) mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `file-${index}.txt`), textOf(index));
  }
}

function textsOfAnySize(seed: number): (index: number) => string {
  const random = seededRandom(seed);
  return (index) => `${index} `.repeat(Math.ceil((random() * mostBytes) / 6));
}

function report(figures: object): void {
  if (options.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
  else process.stdout.write(`${JSON.stringify(figures, undefined, 2)}\n`);
}
