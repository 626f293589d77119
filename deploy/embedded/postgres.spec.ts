import { spawn } from 'node:child_process';
import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { scratchDirectory } from '#test/support/servers.js';
import { type EmbeddedPostgres, startPostgres } from './postgres.js';

describe('the embedded PostgreSQL', () => {
  let dataDir: string;
  let postgres: EmbeddedPostgres;
  const env = { ...process.env, DATABASE_URL: undefined };

  beforeAll(async () => {
    dataDir = await scratchDirectory();
    postgres = await startPostgres({ dataDir, env });
  }, 60_000);

  afterAll(async () => {
    await postgres?.close();
    for (const path of [postgres?.directory, dataDir]) {
      if (path) await rm(path, { recursive: true, force: true });
    }
  });

  test('keeps what was written over a kill', async () => {
    await query(postgres.url, 'create table kept as select 42 as answer');
    await postgres.server?.stop('SIGKILL');
    await postgres.server?.start();
    expect(await query(postgres.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
  });

  test('refuses a second instance on the same data', async () => {
    await expect(startPostgres({ dataDir, env })).rejects.toMatchObject({
      name: 'DataDirectoryInUse',
      pid: process.pid,
    });
  });

  test('keeps its password from other users, and asks for it', async () => {
    expect((await stat(join(dataDir, 'keys/postgres-password'))).mode & 0o077).toBe(0);
    const wrong = new URL(postgres.url);
    wrong.password = 'guessed';
    await expect(query(wrong.href, 'select 1')).rejects.toThrow('password authentication failed');
  });

  test('starts although its old process number now belongs to another process', async () => {
    await postgres.close();
    const directory = postgres.directory as string;
    const version = (await readdir(directory)).find((name) => /^\d+$/.test(name)) as string;
    const { uid, gid } = await stat(join(directory, version));
    const stranger = spawn('sleep', ['600'], process.getuid?.() === 0 ? { uid, gid } : {});
    try {
      await writeFile(join(directory, version, 'postmaster.pid'), `${stranger.pid}\n`);
      postgres = await startPostgres({ dataDir, env });
    } finally {
      stranger.kill();
    }
    expect(await query(postgres.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
  });
});

test('an external database is taken from the environment, and no child is started', async () => {
  const env = { DATABASE_URL: 'postgres://someone@db.example/espalier' };
  const postgres = await startPostgres({ dataDir: '/nowhere', env });
  expect(postgres.url).toBe(env.DATABASE_URL);
  expect(postgres.server).toBeUndefined();
});

async function query(url: string, statement: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  try {
    await client.connect();
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}
