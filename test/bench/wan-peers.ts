import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { LinkUse } from '#services/agent/adapters/transfer.js';
import type { WanNetwork } from './wan-network.js';
import type { PeerPull } from './wan-peer.js';

const peerProgram = fileURLToPath(new URL('./wan-peer.js', import.meta.url));
const running = new Set<ChildProcess>();

/** What a leader says when it has the container. */
export interface PeerDone {
  readonly durationMs: number;
  readonly cpuMs: number;
  readonly links: readonly LinkUse[];
  readonly retries: number;
}

export function killAll(): void {
  for (const child of running) child.kill('SIGKILL');
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

/** One leader's process, or the origin's (host 0). */
export class Peer {
  private constructor(
    readonly host: number,
    readonly spool: string,
    readonly url: string,
    private readonly child: ChildProcess,
    private readonly lines: AsyncIterator<string>,
  ) {}

  static async start(
    wan: WanNetwork,
    host: number,
    spools: string,
    publicKey: string,
  ): Promise<Peer> {
    const spool = join(spools, String(host));
    const args = [peerProgram, '--host', wan.address(host), '--dir', spool, '--key', publicKey];
    const child = launch(wan.on(host, process.execPath, ...args));
    const input = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    const lines = input[Symbol.asyncIterator]();
    const { url } = JSON.parse((await lines.next()).value as string) as { url: string };
    return new Peer(host, spool, url, child, lines);
  }

  get name(): string {
    return this.host === 0 ? 'origin' : `l${this.host}`;
  }

  async pull(what: PeerPull): Promise<PeerDone> {
    this.child.stdin?.write(`${JSON.stringify(what)}\n`);
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`${this.name} ended`);
    return JSON.parse(value as string) as PeerDone;
  }

  async kill(): Promise<void> {
    if (!running.has(this.child)) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await ended;
  }

  /** @throws when this has another container than the one with the digest */
  async check(digest: string): Promise<void> {
    const path = join(this.spool, `${digest}.container`);
    if ((await digestOf(path)) !== digest) throw new Error(`${this.name} has another container`);
  }
}

export async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}
