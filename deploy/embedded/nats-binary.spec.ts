import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { scratchDirectory } from '#test/support/servers.js';
import { findNatsServer, isRecentEnough } from './nats-binary.js';

describe('the search for a nats-server', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await scratchDirectory();
  });

  afterEach(() => rm(directory, { recursive: true, force: true }));

  async function program(path: string, version: string): Promise<string> {
    const place = join(directory, path);
    await mkdir(dirname(place), { recursive: true });
    await writeFile(place, `#!/bin/sh\necho "nats-server: v${version}"\n`);
    await chmod(place, 0o755);
    return place;
  }

  function find(env: NodeJS.ProcessEnv) {
    return findNatsServer({ cacheDir: join(directory, 'cache'), env, log: () => undefined });
  }

  test('takes the one that the environment names before all others', async () => {
    await program('bin/nats-server', '2.99.1');
    const path = await program('named', '2.12.7');
    const env = { ESPALIER_NATS_SERVER_BIN: path, PATH: join(directory, 'bin') };
    expect(await find(env)).toEqual({ path, version: '2.12.7' });
  });

  test('takes the first on the path that is recent enough', async () => {
    await program('old/nats-server', '2.9.10');
    const path = await program('new/nats-server', '2.10.27');
    const env = { PATH: `${join(directory, 'old')}:${join(directory, 'new')}` };
    expect(await find(env)).toEqual({ path, version: '2.10.27' });
  });

  test('refuses a named one that is too old, with the reason and what to do', async () => {
    const path = await program('named', '2.9.10');
    await expect(find({ ESPALIER_NATS_SERVER_BIN: path })).rejects.toMatchObject({
      name: 'NatsServerMissing',
      message: `No nats-server 2.10.27 or newer is available: ${path} is 2.9.10`,
      remedy: expect.stringContaining('ESPALIER_NATS_SERVER_BIN'),
    });
  });

  test('refuses a named one that cannot be run', async () => {
    await expect(find({ ESPALIER_NATS_SERVER_BIN: '/nowhere' })).rejects.toThrow(
      'ESPALIER_NATS_SERVER_BIN=/nowhere is not a nats-server',
    );
  });

  test.each([
    ['2.9.26', false],
    ['2.10.26', false],
    ['2.10.27', true],
    ['2.11.0', true],
    ['3.0.0', true],
  ])('finds version %s recent enough: %s', (version, verdict) => {
    expect(isRecentEnough(version)).toBe(verdict);
  });
});
