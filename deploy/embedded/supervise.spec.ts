import { access, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { sleep } from '#libs/clock/clock.js';
import { scratchDirectory } from '#test/support/servers.js';
import { identityOf } from './process-identity.js';
import { run } from './run.js';
import { type ChildSpec, type Supervised, supervise } from './supervise.js';

const compiled = new URL('.', import.meta.url);

describe('a supervised child', () => {
  let directory: string;
  let child: Supervised | undefined;

  beforeEach(async () => {
    directory = await scratchDirectory();
  });

  afterEach(async () => {
    await child?.stop();
    child = undefined;
    await rm(directory, { recursive: true, force: true });
  });

  /** A server that is ready once it has made the file `up`. */
  function spec(script = 'touch "$0/up"; exec sleep 600'): ChildSpec {
    return {
      name: 'the server',
      program: 'sh',
      args: ['-c', script, directory],
      stopSignal: 'SIGTERM',
      logFile: join(directory, 'server.log'),
      pidFile: join(directory, 'server.pid'),
      ready: () => exists(join(directory, 'up')),
      log: () => undefined,
    };
  }

  /** Another process starts the server and is killed at once. */
  async function superviseAndDie(script: string): Promise<void> {
    const program = `
      import { existsSync } from 'node:fs';
      import { supervise } from '${new URL('supervise.js', compiled)}';
      const ready = async () => existsSync('${directory}/up');
      await supervise({ ...${JSON.stringify(spec(script))}, ready, log() {} });
      process.kill(process.pid, 'SIGKILL');`;
    await run(process.execPath, ['--input-type=module', '--eval', program]);
    expect(await exists(join(directory, 'up'))).toBe(true);
  }

  test('lives when it is ready, and is gone when it is stopped', async () => {
    child = await supervise(spec());
    const pid = child.pid as number;
    expect(await identityOf(pid)).toBeDefined();
    await child.stop();
    expect(await identityOf(pid)).toBeUndefined();
  });

  test('is started again when it dies', async () => {
    child = await supervise(spec());
    const first = child.pid as number;
    await rm(join(directory, 'up'));
    process.kill(first, 'SIGKILL');
    await until(() => exists(join(directory, 'up')));
    expect(child.pid).not.toBe(first);
  });

  test('that ends with its final status is not started again', async () => {
    const script =
      'echo x >> "$0/starts"; touch "$0/up"; while [ ! -e "$0/end" ]; do sleep 0.02; done; exit 77';
    let last = '';
    const ended = new Promise<void>((resolve) => {
      const log = (line: string) => {
        last = line;
        resolve();
      };
      void supervise({ ...spec(script), finalStatus: 77, log }).then((started) => {
        child = started;
        return writeFile(join(directory, 'end'), '');
      });
    });
    await ended;
    expect(child?.isOver).toBe(true);
    expect(last).toBe('the server ended (status 77) for good');
    expect(await readFile(join(directory, 'starts'), 'utf8')).toBe('x\n');
  });

  test('stays down after a stop, until it is started', async () => {
    child = await supervise(spec());
    await child.stop('SIGKILL');
    await rm(join(directory, 'up'));
    await child.start();
    expect(await identityOf(child.pid as number)).toBeDefined();
    expect(await exists(join(directory, 'up'))).toBe(true);
  });

  test('that ends while it starts fails the start with its last words', async () => {
    await expect(supervise(spec('echo no such disk >&2; exit 3'))).rejects.toMatchObject({
      name: 'ServerDidNotStart',
      message: 'the server did not start: no such disk',
      remedy: `See ${join(directory, 'server.log')}.`,
    });
  });

  test('that cannot be run fails the start', async () => {
    const missing = { ...spec(), program: join(directory, 'missing') };
    await expect(supervise(missing)).rejects.toMatchObject({ name: 'ServerDidNotStart' });
  });

  test('ends in good order when its parent is killed', async () => {
    const script = 'trap "touch $0/stopped; exit" TERM; touch $0/up; while :; do sleep 0.05; done';
    await superviseAndDie(script);
    await until(() => exists(join(directory, 'stopped')));
  });

  test('of a killed parent has ended before the next is started', async () => {
    const script = 'trap "sleep 0.3; touch $0/stopped; exit" TERM; touch $0/up; sleep 600 & wait';
    await superviseAndDie(script);
    const left = Number.parseInt(await readFile(join(directory, 'server.pid'), 'utf8'), 10);
    child = await supervise(spec());
    expect(await identityOf(left)).toBeUndefined();
    expect(await exists(join(directory, 'stopped'))).toBe(true);
  });
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(systemClock, 10);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
