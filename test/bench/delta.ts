import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type DeltaLevel, isDeltaLevel } from '#libs/assignment/encoding-policy.js';
import { measurePeers, type PeerFigures } from './delta-peers.js';

/*
 * What it costs to make one tree into another: bytes of the container, time and memory of making
 * and of applying it; `--peers` measures rsync, zstd and xdelta3 beside it where they are
 * installed. The result is compared with the new tree; a difference is a failure.
 */
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    level: { type: 'string', default: 'default' },
    repeat: { type: 'string', default: '1' },
    peers: { type: 'boolean', default: false },
    dir: { type: 'string', default: tmpdir() },
    json: { type: 'boolean', default: false },
  },
});
const [oldTree, newTree] = positionals;
if (oldTree === undefined || newTree === undefined || !isDeltaLevel(options.level)) {
  process.stderr.write('usage: npm run bench:delta -- OLD NEW [--level fast|default|small] ');
  process.stderr.write('[--repeat N] [--peers] [--dir SCRATCH] [--json]\n');
  process.exit(2);
}

interface Stored {
  readonly manifests: string[];
  readonly newScanMs: number;
  readonly peakRssMb: number;
}
interface Encoded {
  readonly containerBytes: number;
  readonly dataBytes: number;
  readonly commandsBytes: number;
  readonly changedBytes: number;
  readonly encodeMs: number;
  readonly peakRssMb: number;
  readonly encodings: Record<string, { files: number; bytes: number }>;
  readonly counts: Record<string, number>;
  readonly key: string;
}
interface Applied {
  readonly applyMs: number;
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

async function measure(level: DeltaLevel) {
  const input = { ...trees, work, level };
  const stored = step<Stored>('store', input);
  const encoded: Encoded[] = [];
  const applied: Applied[] = [];
  for (let round = 0; round < Number(options.repeat); round++) {
    rmSync(join(work, 'result'), { recursive: true, force: true });
    const made = step<Encoded>('encode', { ...input, manifests: stored.manifests });
    encoded.push(made);
    const { manifests } = stored;
    applied.push(step<Applied>('apply', { ...input, manifests, key: made.key }));
  }
  const peers = options.peers ? await measurePeers(trees.old, trees.new, peerDirectory()) : [];
  const [{ key: _, ...first }] = encoded as [Encoded];
  return {
    ...{ level, ...first, scanMs: stored.newScanMs },
    encodeMs: encoded.map(({ encodeMs }) => encodeMs),
    encodePeakRssMb: Math.max(...encoded.map(({ peakRssMb }) => peakRssMb)),
    applyMs: applied.map(({ applyMs }) => applyMs),
    applyPeakRssMb: Math.max(...applied.map(({ peakRssMb }) => peakRssMb)),
    equal: applied.every(({ equal }) => equal),
    peers: peers.map((peer) => ({ ...peer, ourBytesPerPeers: first.containerBytes / peer.bytes })),
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
  const { containerBytes, dataBytes, commandsBytes, peers } = figures;
  const encodings = Object.entries(figures.encodings).map(
    ([name, { files, bytes }]) => `${name} ${files} (${bytes})`,
  );
  return [
    `container  ${containerBytes} bytes: data ${dataBytes}, commands ${commandsBytes}`,
    `files      ${encodings.join(', ')}`,
    `scan       ${figures.scanMs} ms, every file read`,
    `encode     ${figures.encodeMs.join(', ')} ms, peak ${figures.encodePeakRssMb} MB`,
    `apply      ${figures.applyMs.join(', ')} ms, peak ${figures.applyPeakRssMb} MB, ` +
      (figures.equal ? 'equal' : 'NOT EQUAL'),
    ...peers.map(peerLine),
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
