import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';

/** How a program ended; `code` is -1 for one that was killed by a signal. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Child {
  readonly pid: number;
  /** What it wrote until now. */
  readonly output: { stdout: string; stderr: string };
  readonly ended: Promise<Ended>;
  kill(signal: NodeJS.Signals): void;
}

const program = resolve('services/espalier/bin.mjs');

/** Servers and settings that the environment of the tests names are not for the tests' children. */
function environment(extra: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { NATS_URL, DATABASE_URL, ESPALIER_URL, NODE_OPTIONS, ...others } = process.env;
  return { ...others, NO_COLOR: '1', ...extra };
}

/** Starts the `espalier` program, as users do. */
export function espalier(args: readonly string[], env: NodeJS.ProcessEnv = {}): Child {
  return start(process.execPath, [program, ...args], env);
}

/** Starts the `espalier` program; what it writes to files may not grow beyond a limit. */
export function espalierWithFileLimit(limitBytes: number, args: readonly string[]): Child {
  const script = `ulimit -f ${Math.floor(limitBytes / 512)}; exec "$@"`;
  return start('sh', ['-c', script, 'sh', process.execPath, program, ...args], {});
}

function start(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Child {
  const child = spawn(command, args, {
    env: environment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  const ended = once(child, 'close').then(([code]) => ({ code: code ?? -1, ...output }));
  if (child.pid === undefined) throw new Error(`${command} cannot be run`);
  return { pid: child.pid, output, ended, kill: (signal) => child.kill(signal) };
}
