import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { TestNats } from './servers.js';
import { until } from './until.js';

const program = fileURLToPath(new URL('../../services/scheduler/main.js', import.meta.url));

/** Starts a replica of the scheduler as a process; resolves when it does its work. */
export async function startScheduler(
  server: Pick<TestNats, 'url' | 'monitorUrl'> & Partial<TestNats>,
  env: NodeJS.ProcessEnv = {},
): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['--no-warnings', program], {
    env: {
      ...process.env,
      NATS_URL: server.url,
      ...(server.user ? { NATS_USER: server.user, NATS_PASSWORD: server.password } : {}),
      ESPALIER_NATS_MONITOR_URL: server.monitorUrl,
      ...env,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  child.stderr?.on('data', (chunk) => {
    output = (output + chunk).slice(-20_000);
  });
  await until(
    'a replica starts',
    () => {
      if (child.exitCode !== null) throw new Error(`it ended: ${output.slice(-500)}`);
      return output.includes('"started"');
    },
    { timeoutMs: 60_000 },
  );
  return child;
}
