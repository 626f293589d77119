import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type DeltaLevel, isDeltaLevel } from '#libs/assignment/encoding-policy.js';
import { measurePeers, type PeerFigures } from './delta-peers.js';

/*
 * What it costs to make one tree into another. The old tree is the shadow: its manifest and its
 * content are in the store before the clock starts. Then the new tree is scanned, hashed and
 * compared (`scanMs`), its new content stored, the assignment made (`encodeMs`) and applied to a
 * copy of the old tree (`decodeMs`). The result is compared with the new tree; a difference is a
 * failure. As in a service that runs, one process publishes the old tree first, then the new one;
 * with `--cold` a new process publishes the new one. `--peers` measures rsync, zstd and xdelta3
 * beside it where they are installed.
 */
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    level: { type: 'string', default: 'default' },
    repeat: { type: 'string', default: '1' },
    peers: { type: 'boolean', default: false },
    cold: { type: 'boolean', default: false },
    dir: { type: 'string', default: tmpdir() },
    json: { type: 'boolean', default: false },
  },
});
const [oldTree, newTree] = positionals;
if (oldTree === undefined || newTree === undefined || !isDeltaLevel(options.level)) {
  process.stderr.write('usage: npm run bench:delta -- OLD NEW [--level fast|default|small] ');
  process.stderr.write('[--repeat N] [--cold] [--peers] [--dir SCRATCH] [--json]\n');
  process.exit(2);
}

interface Encoded {
  readonly files: number;
  readonly changed: number;
  readonly renamed: number;
  readonly similar: number;
  readonly updateBytes: number;
  readonly changedBytes: number;
  readonly scanMs: number;
  readonly storeMs: number;
  readonly compileMs: number;
  readonly peakRssMb: number;
  readonly encodings: Record<string, { files: number; bytes: number }>;
  /** For the next step. */
  readonly forApply: object;
}
interface Applied {
  readonly decodeMs: number;
  /** Of the content that is new, for each second of one core. */
  readonly decodedMbPerCoreSecond: number;
  readonly equal: boolean;
  readonly peakRssMb: number;
}

const trees = { old: resolve(oldTree), new: resolve(newTree) };
const work = mkdtempSync(join(options.dir, 'espalier-delta-'));
try {
  const figures = await measure(options.level);
  report(figures);
  if (!figures.equal) process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** The round with the median of `scanMs` + `encodeMs`; memory is that of the worst. */
async function measure(level: DeltaLevel) {
  const rounds: { encoded: Encoded; applied: Applied }[] = [];
  for (let round = 0; round < Number(options.repeat); round++) {
    for (const place of ['content', 'result']) {
      rmSync(join(work, place), { recursive: true, force: true });
    }
    const input = { ...trees, work, level };
    const encoded = options.cold
      ? step<Encoded>('encode', { ...input, ...step<object>('prepare', input) })
      : step<Encoded>('publishBoth', input);
    rounds.push({ encoded, applied: step<Applied>('apply', { ...input, ...encoded.forApply }) });
  }
  const timeOf = ({ encoded }: (typeof rounds)[number]) =>
    encoded.scanMs + encoded.storeMs + encoded.compileMs;
  rounds.sort((a, b) => timeOf(a) - timeOf(b));
  const { encoded, applied } = rounds[rounds.length >> 1] as (typeof rounds)[number];
  const encodePeakRssMb = Math.max(...rounds.map((round) => round.encoded.peakRssMb));
  const decodePeakRssMb = Math.max(...rounds.map((round) => round.applied.peakRssMb));
  const { files, changed, renamed, similar, updateBytes, scanMs, storeMs, compileMs } = encoded;
  const peers = options.peers
    ? await measurePeers(trees.old, trees.new, peerDirectory(), rounds.length)
    : [];
  return {
    ...{ files, changed, renamed, similar, updateBytes, scanMs },
    encodeMs: storeMs + compileMs,
    decodeMs: applied.decodeMs,
    peakRssMb: Math.max(encodePeakRssMb, decodePeakRssMb),
    equal: rounds.every((round) => round.applied.equal),
    ...{
      level,
      rounds: rounds.length,
      cold: options.cold,
      changedBytes: encoded.changedBytes,
      storeMs,
      compileMs,
    },
    decodedMbPerCoreSecond: applied.decodedMbPerCoreSecond,
    ...{ encodePeakRssMb, decodePeakRssMb, encodings: encoded.encodings },
    peers: peers.map((peer) => ({ ...peer, ourBytesPerPeers: updateBytes / peer.bytes })),
  };
}

function step<F>(name: string, input: object): F {
  say(name);
  const program = fileURLToPath(new URL('./delta-steps.js', import.meta.url));
  const { stdout, status } = spawnSync(process.execPath, [program, name, JSON.stringify(input)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`the step ${name} failed`);
  return JSON.parse(stdout.toString()) as F;
}

function peerDirectory(): string {
  say('peers');
  const directory = join(work, 'peers');
  mkdirSync(directory);
  return directory;
}

type Figures = Awaited<ReturnType<typeof measure>>;

function report(figures: Figures): void {
  if (options.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
  else for (const line of lines(figures)) process.stdout.write(`${line}\n`);
}

function lines(figures: Figures): string[] {
  const encodings = Object.entries(figures.encodings).map(
    ([name, { files, bytes }]) => `${name} ${files} (${bytes})`,
  );
  const { files, changed, renamed, similar } = figures;
  return [
    `files      ${files}: ${changed} changed, ${renamed} renamed, ${similar} similar`,
    `update     ${figures.updateBytes} bytes for ${figures.changedBytes} that are new`,
    `encodings  ${encodings.join(', ')}`,
    `scan       ${figures.scanMs} ms, every file read`,
    `encode     ${figures.encodeMs} ms, peak ${figures.encodePeakRssMb} MB`,
    `decode     ${figures.decodeMs} ms, peak ${figures.decodePeakRssMb} MB, ` +
      `${figures.decodedMbPerCoreSecond} MB/s a core, ${figures.equal ? 'equal' : 'NOT EQUAL'}`,
    ...figures.peers.map(peerLine),
  ];
}

function peerLine({ peer, bytes, ms, peakRssMb, ourBytesPerPeers }: PeerLine): string {
  const ratio = ourBytesPerPeers.toFixed(3);
  return `${peer.padEnd(24)} ${bytes} bytes, ${ms} ms, ${peakRssMb} MB; our bytes / its ${ratio}`;
}

type PeerLine = PeerFigures & { readonly ourBytesPerPeers: number };

function say(what: string): void {
  process.stderr.write(`${what}\n`);
}
