import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { LinkUse } from '#services/agent/adapters/transfer.js';
import type { WanNetwork } from './wan-network.js';

const peerProgram = fileURLToPath(new URL('./wan-peer.js', import.meta.url));
const running = new Set<ChildProcess>();

/** One leader's process. */
export interface Peer {
  readonly host: number;
  readonly url: string;
  readonly process: ChildProcess;
  readonly lines: AsyncIterator<string>;
  readonly spool: string;
}

/** What a leader says when it has the container. */
export interface PeerDone {
  readonly durationMs: number;
  readonly links: readonly LinkUse[];
  readonly retries: number;
}

export function killAll(): void {
  for (const child of running) child.kill('SIGKILL');
}

export async function start(
  wan: WanNetwork,
  host: number,
  spools: string,
  publicKey: string,
): Promise<Peer> {
  const spool = join(spools, String(host));
  const args = [peerProgram, '--host', wan.address(host), '--dir', spool, '--key', publicKey];
  const child = launch(wan.on(host, process.execPath, ...args));
  const input: Interface = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const lines = input[Symbol.asyncIterator]();
  const { url } = JSON.parse((await lines.next()).value as string) as { url: string };
  return { host, url, process: child, lines, spool };
}

/** @param stdin rsync takes an open one for a connection */
export function launch(
  [program = '', ...args]: string[],
  stdin: 'pipe' | 'ignore' = 'pipe',
): ChildProcess {
  const child = spawn(program, args, { stdio: [stdin, 'pipe', 'inherit'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

export async function nextLine<T>(peer: Peer): Promise<T> {
  const { value, done } = await peer.lines.next();
  if (done) throw new Error(`leader ${peer.host} ended`);
  return JSON.parse(value as string) as T;
}

export async function stop({ process: child }: Peer): Promise<void> {
  if (!running.has(child)) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

export async function checkDigest({ spool, host }: Peer, digest: string): Promise<void> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(join(spool, `${digest}.container`)))
    hash.update(chunk);
  if (hash.digest('hex') !== digest) throw new Error(`leader ${host} has another container`);
}
