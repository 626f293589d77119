import { type ChildProcess, execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { sleep } from '#libs/clock/clock.js';
import { LanHosts } from './lan-hosts.js';

/*
 * One container to every host of a LAN of network namespaces, beside a peer: seconds from the first
 * announcement until the last host has acknowledged what it has verified and written. An agent runs
 * for months: figures are those of the last session that the same processes take part in, and
 * `coldSeconds` those of the first, while V8 still interprets. The peer is compiled; its clock runs
 * from the start of its sender, for its daemons wait before. Needs root, iproute2, nftables (for
 * loss) and uftp (for `--peer uftp`).
 */
const { values: options } = parseArgs({
  options: {
    'size-mb': { type: 'string', default: '200' },
    receivers: { type: 'string', default: '4' },
    /** Share of the datagrams that each receiver loses by itself. */
    loss: { type: 'string', default: '0' },
    'rate-mbit': { type: 'string', default: '0' },
    rounds: { type: 'string', default: '1' },
    /** That the processes of a round take part in one after the other. */
    sessions: { type: 'string', default: '2' },
    peer: { type: 'string' },
    dir: { type: 'string', default: tmpdir() },
    /** Where each host leaves a profile of its processor time. */
    profiles: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
/** What a host of the bench says at its end. */
interface SenderLine {
  readonly durationMs: number;
  readonly multicastBytes: number;
  readonly repairBytes: number;
  readonly framesSent: number;
  readonly passes: number;
  readonly cpuS: number;
}

interface ReceiverLine {
  readonly cpuS: number;
  readonly overrun: number;
}

interface PeerRound {
  readonly seconds: number;
  readonly allEqual: boolean;
}

interface UftpRound extends PeerRound {
  readonly cpuReceiverS: readonly number[];
}

interface Session {
  readonly outcome: SenderLine;
  readonly received: readonly ReceiverLine[];
  readonly allEqual: boolean;
}

interface EspalierRound extends PeerRound, Session {
  /** Of the first session of these processes, whose code is not compiled yet. */
  readonly coldSeconds: number;
}

const receivers = Number(options.receivers);
const rateMbit = Number(options['rate-mbit']);
const headBytes = 1_000;
const blockBytes = 65_536;
const nodeProgram = fileURLToPath(new URL('./lan-node.js', import.meta.url));
const profiling = options.profiles ? ['--cpu-prof', '--cpu-prof-dir', options.profiles] : [];
const nodeCommand = [process.execPath, ...profiling, nodeProgram];
const directory = mkdtempSync(join(options.dir, 'espalier-lan-'));
const source = join(directory, 'source');
const digests = join(directory, 'digests');
const running = new Set<ChildProcess>();
const ours: EspalierRound[] = [];
const theirs: UftpRound[] = [];
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    cleanUp();
    process.exit(1);
  });
}
const obstacle = LanHosts.obstacle();
if (obstacle) {
  process.stderr.write(`bench:lan is skipped: ${obstacle}\n`);
  process.exit(0);
}
const lossPerMille = Math.round(Number(options.loss) * 1_000);
const hosts = new LanHosts(receivers + 1, { lossPerMille, rateMbit });
try {
  writeSource(Number(options['size-mb']) * 1_000_000);
  for (let round = 0; round < Number(options.rounds); round++) {
    ours.push(await runEspalier());
    if (options.peer !== 'uftp') continue;
    theirs.push(await runUftp());
    say(JSON.stringify(theirs.at(-1)));
  }
  report();
} finally {
  cleanUp();
}

function cleanUp(): void {
  for (const child of running) child.kill('SIGKILL');
  hosts.remove();
  rmSync(directory, { recursive: true, force: true });
}

function writeSource(bytes: number): void {
  const content = Buffer.concat(
    Array.from({ length: Math.ceil(bytes / 2 ** 24) }, () => randomBytes(2 ** 24)),
  ).subarray(0, bytes);
  writeFileSync(source, content);
  const places = [content.subarray(0, headBytes)];
  for (let at = headBytes; at < bytes; at += blockBytes) {
    places.push(content.subarray(at, at + blockBytes));
  }
  const hashes = places.map((part) => createHash('sha256').update(part).digest());
  writeFileSync(digests, Buffer.concat(hashes));
}

/**
 * A virtual machine gives memory that is free back to its host, and getting it again costs several
 * times what writing to it does: what a round writes is taken and freed beforehand, for both sides.
 * Before anything else is freed: what was free twice is taken to have been free all the time.
 */
function touchMemory(): void {
  const path = join(directory, 'ballast');
  const bytes = (receivers + 1) * Number(options['size-mb']) * 1_000_000;
  const file = openSync(path, 'w');
  const piece = Buffer.alloc(2 ** 20, 1);
  for (let written = 0; written < bytes; written += piece.length) writeSync(file, piece);
  closeSync(file);
  rmSync(path);
}

async function runEspalier(): Promise<EspalierRound> {
  const members = await Promise.all(
    hosts.addresses.slice(1).map(async (address, index) => {
      const name = `m${index}`;
      const path = join(directory, name);
      const args = ['receive', name, address, path, digests];
      const child = started(index + 1, [...nodeCommand, ...args]);
      const lines = linesOf(child);
      const { port } = (await lines.next()).value as { port: number };
      return { name, address, path, child, lines, port };
    }),
  );
  const list = members.map(({ name, address, port }) => `${name}=${address}:${port}`).join(',');
  const args = ['send', 'leader', hosts.addresses[0] ?? '', source, list];
  const leader = started(0, [...nodeCommand, ...args]);
  const sent = linesOf(leader);
  const sessions: Session[] = [];
  for (let session = 1; session <= Number(options.sessions); session++) {
    touchMemory();
    for (const { path } of members) rmSync(path, { force: true });
    leader.stdin?.write(`session ${session}\n`);
    const outcome = (await sent.next()).value as SenderLine;
    const received = await Promise.all(
      members.map(async ({ lines }) => (await lines.next()).value as ReceiverLine),
    );
    const allEqual = members.every(({ path }) => isSource(path));
    sessions.push({ outcome, received, allEqual });
    say(JSON.stringify(sessions.at(-1)));
  }
  for (const { path } of members) rmSync(path, { force: true });
  leader.stdin?.end();
  for (const { child } of members) child.kill('SIGTERM');
  // Profiles are written at the very end.
  await Promise.all([...running].map((child) => once(child, 'exit')));
  const [first, last] = [sessions[0], sessions.at(-1)];
  if (!first || !last) throw new Error('no session was sent: --sessions is at least 1');
  return {
    ...last,
    seconds: last.outcome.durationMs / 1_000,
    coldSeconds: first.outcome.durationMs / 1_000,
    allEqual: sessions.every((session) => session.allEqual),
  };
}

async function runUftp(): Promise<UftpRound> {
  const paths = hosts.addresses.slice(1).map((_, index) => join(directory, `u${index}`));
  const daemons = paths.map((path, index) => {
    mkdirSync(path, { recursive: true });
    const args = ['-d', '-t', '-x', '1', '-I', 'eth0', '-D', path, '-B', '16000000'];
    const log = join(directory, `uftpd${index}.log`);
    return started(index + 1, ['uftpd', ...args, '-L', log]);
  });
  await sleep(systemClock, 1_000);
  // The peer has no rate control of its own: it is told 95 % of the link, as its manual advises.
  const rate = rateMbit > 0 ? String(rateMbit * 950) : '-1';
  const args = ['-R', rate, '-B', '16000000', '-I', 'eth0', '-b', '1400', '-r', '0.05:0.01:1.0'];
  touchMemory();
  const startedMs = systemClock.nowMs();
  const sender = started(0, ['uftp', '-x', '1', ...args, source]);
  sender.stdout?.resume();
  const status = await new Promise((resolve) => sender.once('exit', resolve));
  const seconds = (systemClock.nowMs() - startedMs) / 1_000;
  await sleep(systemClock, 200);
  const cpuReceiverS = daemons.map(cpuOf);
  for (const daemon of daemons) stop(daemon);
  const allEqual = paths.every((path) => isSource(join(path, 'source')));
  for (const path of paths) rmSync(path, { recursive: true, force: true });
  return { seconds, allEqual: allEqual && status === 0, cpuReceiverS };
}

function isSource(path: string): boolean {
  try {
    execFileSync('cmp', ['-s', source, path]);
    return true;
  } catch {
    return false;
  }
}

function started(host: number, command: readonly string[]): ChildProcess {
  const child = hosts.spawn(host, command);
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

function stop(child: ChildProcess): void {
  child.kill('SIGKILL');
}

/** Processor time of a child so far, in seconds, which Linux counts in hundredths. */
function cpuOf({ pid }: ChildProcess): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function* linesOf({ stdout }: ChildProcess): AsyncGenerator<unknown, undefined> {
  if (!stdout) return undefined;
  for await (const line of createInterface({ input: stdout })) yield JSON.parse(line);
  return undefined;
}

/** The round of the median time. */
function median<T extends { readonly seconds: number }>(rounds: readonly T[]): T | undefined {
  return [...rounds].sort((a, b) => a.seconds - b.seconds)[Math.floor(rounds.length / 2)];
}

function report(): void {
  const [espalier, peer] = [median(ours), median(theirs)];
  if (!espalier) throw new Error('no round was run: --rounds is at least 1');
  const megabytes = Number(options['size-mb']);
  const { framesSent, repairBytes, multicastBytes, cpuS, passes } = espalier.outcome;
  const allEqual = [...ours, ...theirs].every((round) => round.allEqual);
  if (!allEqual) process.exitCode = 1;
  const figures = {
    ...{ receivers, sizeMb: megabytes, rateMbit, loss: lossPerMille / 1_000 },
    ...{ rounds: ours.length, sessions: Number(options.sessions) },
    seconds: espalier.seconds,
    coldSeconds: espalier.coldSeconds,
    goodputMBps: megabytes / espalier.seconds,
    framesSent,
    repairShare: repairBytes / multicastBytes,
    passes,
    cpuSenderS: cpuS,
    cpuReceiverS: espalier.received.map((member) => member.cpuS),
    overruns: espalier.received.map((member) => member.overrun),
    allEqual,
    ...(peer && {
      peer: {
        ...{ name: 'uftp', seconds: peer.seconds, goodputMBps: megabytes / peer.seconds },
        cpuReceiverS: peer.cpuReceiverS,
      },
      timesFaster: peer.seconds / espalier.seconds,
      coldTimesFaster: peer.seconds / espalier.coldSeconds,
    }),
    // Every byte of the container and of the frames' headers, at the speed of the link.
    ...(rateMbit > 0 && { linkSeconds: (megabytes * 8 * (1_514 / 1_424)) / rateMbit }),
  };
  process.stdout.write(`${JSON.stringify(figures, undefined, options.json ? undefined : 2)}\n`);
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
