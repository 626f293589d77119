import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedNats, startNats } from '#deploy/embedded/nats.js';
import { startPostgres } from '#deploy/embedded/postgres.js';
import type { Supervised } from '#deploy/embedded/supervise.js';

export interface TestNats {
  readonly url: string;
  readonly monitorUrl: string;
  readonly websocketUrl: string;
  /** The user who may do everything. */
  readonly user: string;
  readonly password: string;
  /** Where the key is that lets agents in: a gateway with this data directory does. */
  readonly dataDir: string;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
  /** Starts it again after `kill`, or ends it in good order first; same port, same data. */
  restart(): Promise<void>;
  /** Kills it by SIGKILL; it stays down until `restart`. */
  kill(): Promise<void>;
}

export interface TestPostgres {
  readonly url: string;
  stop(): Promise<void>;
}

type EmbeddedServer = Required<Omit<EmbeddedNats, 'agentUser' | 'agentPassword'>>;

/** A nats-server of the test's own on the loopback, with JetStream that syncs always. */
export async function withNats(): Promise<TestNats> {
  const dataDir = await scratchDirectory();
  const nats = (await startNats({ dataDir, env: ownServers() })) as EmbeddedServer;
  const server: Supervised = nats.server;
  return {
    ...nats,
    dataDir,
    stop: async () => {
      await nats.close();
      await rm(dataDir, { recursive: true, force: true });
    },
    restart: async () => {
      await server.stop();
      await server.start();
    },
    kill: () => server.stop('SIGKILL'),
  };
}

/** A PostgreSQL of the test's own on the loopback, with one empty database. */
export async function withPostgres(): Promise<TestPostgres> {
  const dataDir = await scratchDirectory();
  const postgres = await startPostgres({ dataDir, env: ownServers(), throwaway: true });
  return {
    url: postgres.url,
    stop: async () => {
      await postgres.close();
      for (const directory of [postgres.directory ?? dataDir, dataDir]) {
        await rm(directory, { recursive: true, force: true });
      }
    },
  };
}

/** A temporary directory of the test's own, which other users may pass through. */
export async function scratchDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'espalier-test-'));
  await chmod(directory, 0o711);
  return directory;
}

/** Tests use servers of their own, even where the environment names others. */
export function ownServers(): NodeJS.ProcessEnv {
  const { NATS_URL, DATABASE_URL, ...others } = process.env;
  return others;
}
