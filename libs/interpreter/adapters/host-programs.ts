import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HostPrograms } from '../ports.js';
import type { Hook, Probe } from '../site-policy.js';

/** Of what a program says, this much is kept; one that says more than `floodBytes` is ended. */
const keptBytes = 4_096;
const floodBytes = 1_048_576;
const probeIntervalMs = 100;
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Hooks and probes on a real host. */
export const hostPrograms: HostPrograms = { runHook, probe };

/**
 * Runs a program without a shell, in a process group of its own, with nothing of the agent's
 * environment. When it ends or its time is up, the group is killed with all that it forked.
 * Returns why it failed, or undefined.
 */
async function runHook(
  { command, timeoutMs }: Hook,
  variables: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  const [program = '', ...args] = command;
  const child = spawn(program, args, {
    cwd: '/',
    detached: true,
    env: { PATH: path, LANG: 'C.UTF-8', ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = listen(child);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup(child);
  }, timeoutMs);
  const ended = await new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) =>
      resolve(code === 0 ? undefined : signal ? `ended by ${signal}` : `exit status ${code}`),
    );
  });
  clearTimeout(timer);
  killGroup(child);
  child.stdout?.destroy();
  child.stderr?.destroy();
  if (timedOut) return `it was not done after ${timeoutMs} ms`;
  if (output.flooded) return `it said more than ${floodBytes} bytes`;
  return ended && [ended, output.text.trim()].filter(Boolean).join(': ');
}

/** Repeated until it is healthy or the time is up. Returns the last failure, or undefined. */
async function probe(
  what: Probe,
  variables: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  const giveUpMs = performance.now() + what.timeoutMs;
  for (;;) {
    const leftMs = Math.max(1, Math.ceil(giveUpMs - performance.now()));
    const problem =
      'url' in what
        ? await request(what.url, leftMs)
        : await runHook({ command: what.command, timeoutMs: leftMs }, variables);
    if (problem === undefined) return undefined;
    if (performance.now() + probeIntervalMs > giveUpMs) return problem;
    await sleep(probeIntervalMs);
  }
}

async function request(url: string, timeoutMs: number): Promise<string | undefined> {
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await fetch(url, { redirect: 'manual', signal });
    await response.body?.cancel();
    return response.status >= 200 && response.status < 400 ? undefined : `${response.status}`;
  } catch (error) {
    const { message, cause } = error as Error;
    return cause instanceof Error ? `${message}: ${cause.message}` : message;
  }
}

function listen(child: ChildProcess): { text: string; flooded: boolean } {
  const output = { text: '', flooded: false };
  let bytes = 0;
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (output.text.length < keptBytes) output.text += chunk.toString('utf8', 0, keptBytes);
      if (bytes <= floodBytes || output.flooded) return;
      output.flooded = true;
      killGroup(child);
    });
  }
  return output;
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // All of its processes have ended.
  }
}
