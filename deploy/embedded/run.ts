import { spawn } from 'node:child_process';

export interface Outcome {
  /** It ran and ended with status 0. */
  readonly ok: boolean;
  readonly stdout: string;
  /** What it wrote to stderr, or why it could not be run. */
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Run as this user; needs to be root. */
  readonly user?: { readonly uid: number; readonly gid: number };
  readonly env?: NodeJS.ProcessEnv;
}

/** Runs a program to its end. Never rejects: a program that cannot be run is a failed outcome. */
export function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const { user, ...others } = options;
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      ...others,
      ...(user && { uid: user.uid, gid: user.gid }),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output.stderr += text;
    });
    child.on('error', (error) => resolve({ ok: false, stdout: '', stderr: error.message }));
    child.on('close', (status) => resolve({ ok: status === 0, ...output }));
  });
}
