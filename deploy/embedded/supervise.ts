import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { type Cancel, sleep } from '#libs/clock/clock.js';
import { ServerDidNotStart } from './errors.js';
import type { OsUser } from './os-user.js';
import { identityOf, pidOf } from './process-identity.js';

export interface ChildSpec {
  /** For messages. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly user?: OsUser;
  /** The signal that makes it end in good order. */
  readonly stopSignal: 'SIGTERM' | 'SIGINT';
  /** What it prints; begun anew at each start, the one before is kept as `<logFile>.previous`. */
  readonly logFile: string;
  /** What it ends with when it must not be started again; none unless told. */
  readonly finalStatus?: number;
  /** Remembers the child's identity, to find one that a killed parent left behind. */
  readonly pidFile: string;
  ready(): Promise<boolean>;
  log(message: string): void;
}

export interface Supervised {
  readonly pid: number | undefined;
  /** Whether it has ended for good. */
  readonly isOver: boolean;
  /** Starts it again after `stop`; resolves when it is ready. */
  start(): Promise<void>;
  /** Ends it and lets it rest until `start`. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

const startTimeoutMs = 30_000;
const stopTimeoutMs = 20_000;
const pollMs = 20;
const firstRestartDelayMs = 200;
const lastRestartDelayMs = 5_000;
const longLifeMs = 30_000;

/**
 * Waits for the end of its parent, however that comes, by reading a pipe that only the parent
 * holds; then it stops the server, whose process takes this shell's place. A line on the pipe
 * tells that the server has ended, and its number may belong to somebody else.
 */
const guarded = '( ( read -r line <&3 || kill -s "$0" $$ ) >/dev/null 2>&1 & ) ; exec "$@" 3<&-';

/**
 * Runs a server as a child: ready when this resolves, started again with growing delays whenever
 * it dies, ended when this process ends, even by SIGKILL.
 * @throws ServerDidNotStart
 */
export async function supervise(spec: ChildSpec): Promise<Supervised> {
  const supervisor = new Supervisor(spec);
  await supervisor.start();
  return supervisor;
}

class Supervisor implements Supervised {
  private child: ChildProcess | undefined;
  private wanted = false;
  isOver = false;
  private restartDelayMs = firstRestartDelayMs;
  private cancelRestart: Cancel = () => undefined;

  constructor(private readonly spec: ChildSpec) {}

  get pid(): number | undefined {
    return this.child?.pid;
  }

  async start(): Promise<void> {
    await endLeftover(this.spec);
    this.isOver = false;
    const child = await this.launch();
    try {
      await this.untilReady(child);
    } catch (error) {
      await this.stop('SIGKILL');
      throw error;
    }
    this.wanted = true;
    if (hasEnded(child)) this.afterEnd(child.exitCode, child.signalCode, 0);
  }

  async stop(signal: NodeJS.Signals = this.spec.stopSignal): Promise<void> {
    this.wanted = false;
    this.cancelRestart();
    const child = this.child;
    if (!child || hasEnded(child)) return;
    child.kill(signal);
    const cancel = systemClock.schedule(stopTimeoutMs, () => child.kill('SIGKILL'));
    while (!hasEnded(child)) await sleep(systemClock, pollMs);
    cancel();
  }

  private async launch(): Promise<ChildProcess> {
    const { spec } = this;
    await mkdir(dirname(spec.logFile), { recursive: true });
    await rename(spec.logFile, `${spec.logFile}.previous`).catch(() => undefined);
    const log = openSync(spec.logFile, 'a', 0o600);
    const child = spawn(
      'sh',
      ['-c', guarded, spec.stopSignal.replace('SIG', ''), spec.program, ...spec.args],
      {
        // A session of its own: Ctrl-C is for the parent, which then stops its children in order.
        detached: true,
        cwd: '/',
        stdio: ['ignore', log, log, 'pipe'],
        ...(spec.user && { uid: spec.user.uid, gid: spec.user.gid }),
      },
    );
    closeSync(log);
    this.child = child;
    const startedAtMs = systemClock.nowMs();
    release(child, this.spec);
    child.once('exit', (code, signal) => {
      if (this.wanted) this.afterEnd(code, signal, systemClock.nowMs() - startedAtMs);
    });
    if (child.pid !== undefined) {
      await writeFile(spec.pidFile, `${(await identityOf(child.pid)) ?? ''}`, { mode: 0o600 });
    }
    return child;
  }

  private afterEnd(code: number | null, signal: NodeJS.Signals | null, lifeMs: number): void {
    const { name, finalStatus, log } = this.spec;
    this.isOver = code !== null && code === finalStatus;
    const how = `${name} ended (${signal ?? `status ${code}`})`;
    log(this.isOver ? `${how} for good` : `${how}; starting it again`);
    if (!this.isOver) this.restartLater(lifeMs);
  }

  private restartLater(lifeMs: number): void {
    if (lifeMs > longLifeMs) this.restartDelayMs = firstRestartDelayMs;
    this.cancelRestart = systemClock.schedule(this.restartDelayMs, () => {
      this.launch().catch((error: unknown) => {
        this.spec.log(`${this.spec.name} could not be started again: ${error}`);
        if (this.wanted) this.restartLater(0);
      });
    });
    this.restartDelayMs = Math.min(2 * this.restartDelayMs, lastRestartDelayMs);
  }

  private async untilReady(child: ChildProcess): Promise<void> {
    const { name, logFile } = this.spec;
    const deadlineMs = systemClock.nowMs() + startTimeoutMs;
    for (;;) {
      if (hasEnded(child)) throw new ServerDidNotStart(name, await lastLines(logFile), logFile);
      if (await this.spec.ready()) return;
      if (systemClock.nowMs() > deadlineMs) {
        throw new ServerDidNotStart(name, `not ready after ${startTimeoutMs / 1000} s`, logFile);
      }
      await sleep(systemClock, pollMs);
    }
  }
}

/** Frees the guard when the server has ended by itself. */
function release(child: ChildProcess, spec: ChildSpec): void {
  const pipe = child.stdio[3] as (NodeJS.WritableStream & { unref?(): void }) | null | undefined;
  pipe?.on('error', () => undefined);
  pipe?.unref?.();
  child.once('exit', () => pipe?.end('ended\n'));
  child.once('error', (error) => spec.log(`${spec.name} cannot be run: ${error.message}`));
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

/** A server whose parent was killed is stopping by itself: wait for it, then insist. */
async function endLeftover(spec: ChildSpec): Promise<void> {
  const identity = await readFile(spec.pidFile, 'utf8').catch(() => '');
  if (identity === '') return;
  const lives = async () => (await identityOf(pidOf(identity))) === identity;
  const deadlineMs = systemClock.nowMs() + stopTimeoutMs;
  while (await lives()) {
    if (systemClock.nowMs() > deadlineMs) {
      spec.log(`${spec.name} of an earlier run (process ${pidOf(identity)}) is killed`);
      process.kill(pidOf(identity), 'SIGKILL');
    }
    await sleep(systemClock, pollMs);
  }
}

async function lastLines(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.trim().split('\n').slice(-3).join(' | ') || 'it ended without a message';
}
