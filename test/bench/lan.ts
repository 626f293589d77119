import type { ChildProcess } from 'node:child_process';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
 * announcement until the last host has acknowledged what it has verified and written. Needs root,
 * iproute2, nftables (for loss) and uftp (for `--peer uftp`).
 */
const { values: options } = parseArgs({
  options: {
    mb: { type: 'string', default: '200' },
    receivers: { type: 'string', default: '4' },
    /** Thousandths of the datagrams. */
    loss: { type: 'string', default: '0' },
    'rate-mbit': { type: 'string', default: '0' },
    rounds: { type: 'string', default: '3' },
    peer: { type: 'string' },
    dir: { type: 'string', default: tmpdir() },
    json: { type: 'boolean', default: false },
  },
});
const receivers = Number(options.receivers);
const rateMbit = Number(options['rate-mbit']);
const headBytes = 1_000;
const blockBytes = 65_536;
const nodeProgram = fileURLToPath(new URL('./lan-node.js', import.meta.url));
const directory = mkdtempSync(join(options.dir, 'espalier-lan-'));
const source = join(directory, 'source');
const digests = join(directory, 'digests');
const running = new Set<ChildProcess>();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    cleanUp();
    process.exit(1);
  });
}
const hosts = new LanHosts(receivers + 1, { lossPerMille: Number(options.loss), rateMbit });
try {
  writeSource(Number(options.mb) * 1_000_000);
  const rounds: object[] = [];
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let round = 0; round < Number(options.rounds); round++) {
    const espalier = await runEspalier();
    ours.push(espalier.seconds);
    const peer = options.peer === 'uftp' ? await runUftp() : undefined;
    if (peer) theirs.push(peer.seconds);
    rounds.push({ espalier, ...(peer && { uftp: peer }) });
    say(JSON.stringify(rounds.at(-1)));
  }
  report(rounds, median(ours), theirs.length > 0 ? median(theirs) : undefined);
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

async function runEspalier() {
  const members = await Promise.all(
    hosts.addresses.slice(1).map(async (address, index) => {
      const name = `m${index}`;
      const path = join(directory, name);
      const args = ['receive', name, address, path, digests];
      const child = started(index + 1, [process.execPath, nodeProgram, ...args]);
      const lines = linesOf(child);
      const { port } = (await lines.next()).value as { port: number };
      return { name, address, path, child, lines, port };
    }),
  );
  const list = members.map(({ name, address, port }) => `${name}=${address}:${port}`).join(',');
  const args = ['send', 'leader', hosts.addresses[0] ?? '', source, list];
  const leader = started(0, [process.execPath, nodeProgram, ...args]);
  const outcome = (await linesOf(leader).next()).value as Record<string, unknown>;
  const seconds = Number(outcome.durationMs) / 1_000;
  const received = await Promise.all(members.map(async ({ lines }) => (await lines.next()).value));
  for (const { child } of members) stop(child);
  const isEqual = members.every(({ path }) => isSource(path));
  if (!isEqual) process.exitCode = 1;
  for (const { path } of members) rmSync(path, { force: true });
  return { seconds, isEqual, outcome, received };
}

async function runUftp() {
  const paths = hosts.addresses.slice(1).map((_, index) => join(directory, `u${index}`));
  const daemons = paths.map((path, index) => {
    mkdirSync(path, { recursive: true });
    const args = ['-d', '-t', '-I', 'eth0', '-D', path, '-B', '16000000'];
    const log = join(directory, `uftpd${index}.log`);
    return started(index + 1, ['uftpd', ...args, '-L', log]);
  });
  await sleep(systemClock, 1_000);
  // The peer has no rate control of its own: it is told 95 % of the link, as its manual advises.
  const rate = rateMbit > 0 ? String(rateMbit * 950) : '-1';
  const args = ['-R', rate, '-B', '16000000', '-I', 'eth0', '-b', '1400', '-r', '0.05:0.01:1.0'];
  const startedMs = systemClock.nowMs();
  const sender = started(0, ['uftp', ...args, source]);
  sender.stdout?.resume();
  const status = await new Promise((resolve) => sender.once('exit', resolve));
  const seconds = (systemClock.nowMs() - startedMs) / 1_000;
  await sleep(systemClock, 200);
  for (const daemon of daemons) stop(daemon);
  const isEqual = paths.every((path) => isSource(join(path, 'source')));
  for (const path of paths) rmSync(path, { recursive: true, force: true });
  return { seconds, isEqual, status };
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

async function* linesOf({ stdout }: ChildProcess): AsyncGenerator<unknown, undefined> {
  if (!stdout) return undefined;
  for await (const line of createInterface({ input: stdout })) yield JSON.parse(line);
  return undefined;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function report(rounds: readonly object[], ours: number, theirs?: number): void {
  const bytes = Number(options.mb) * 1e6;
  const linkS = rateMbit > 0 ? (bytes * 8) / (rateMbit * 1e6) : undefined;
  const figures = {
    ...{ bytes, receivers, lossPerMille: Number(options.loss), rateMbit },
    ...{ seconds: ours, mbPerS: bytes / 1e6 / ours },
    ...(linkS !== undefined && { linkSeconds: linkS, timesLink: ours / linkS }),
    ...(theirs !== undefined && { uftpSeconds: theirs, timesFaster: theirs / ours }),
    rounds,
  };
  if (options.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
  else say(JSON.stringify({ ...figures, rounds: rounds.length }, undefined, 2));
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
