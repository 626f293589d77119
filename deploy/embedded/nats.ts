import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { controlKeysIn } from '#libs/keys/adapters/file-keys.js';
import { accountNkey } from '#libs/keys/nats-jwt.js';
import { keptPassword, lockDirectory } from './data-directory.js';
import { ServerDidNotStart } from './errors.js';
import { findFreePort } from './free-port.js';
import { cacheDirectory } from './locations.js';
import { findNatsServer } from './nats-binary.js';
import { controlUser, natsConfig } from './nats-config.js';
import { type Supervised, supervise } from './supervise.js';

export interface EmbeddedNats {
  readonly url: string;
  /** Undefined for an external server. */
  readonly monitorUrl?: string;
  /** NATS over WebSocket; undefined for an external server. */
  readonly websocketUrl?: string;
  readonly user?: string;
  readonly password?: string;
  /** A user that all agents share; undefined: the gateway lets each in by its own key. */
  readonly agentUser?: string;
  readonly agentPassword?: string;
  /** The child; undefined for an external server. */
  readonly server?: Supervised;
  close(): Promise<void>;
}

export interface StartOptions {
  readonly dataDir: string;
  readonly cacheDir?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Tables that are thrown away after a test: PostgreSQL need not wait for the disk. */
  readonly throwaway?: boolean;
  log?(message: string): void;
}

const startAttempts = 3;

/**
 * The server that NATS_URL names, else a nats-server of our own on the loopback, with its data in
 * `<dataDir>/nats`. It keeps its port when it is restarted and, if it can, from run to run.
 * @throws NatsServerMissing, DataDirectoryInUse, ServerDidNotStart
 */
export async function startNats(options: StartOptions): Promise<EmbeddedNats> {
  const { dataDir, env = process.env, log = () => undefined } = options;
  if (env.NATS_URL) return externalNats(env.NATS_URL, env);
  const cacheDir = options.cacheDir ?? cacheDirectory(env);
  const binary = await findNatsServer({ cacheDir, env, log });
  const directory = join(dataDir, 'nats');
  await mkdir(dataDir, { recursive: true, mode: 0o711 });
  const lock = await lockDirectory(directory);
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const nats = await startOwn(binary.path, dataDir, directory, log);
        const close = async () => {
          await nats.server.stop();
          await lock.release();
        };
        log(`nats-server ${binary.version} listens on ${nats.url}`);
        return { ...nats, close };
      } catch (error) {
        // Another process may have taken the port between our look and the server's.
        if (!(error instanceof ServerDidNotStart) || attempt === startAttempts) throw error;
      }
    }
  } catch (error) {
    await lock.release();
    throw error;
  }
}

function externalNats(url: string, env: NodeJS.ProcessEnv): EmbeddedNats {
  return {
    url,
    user: env.NATS_USER,
    password: env.NATS_PASSWORD,
    ...(env.ESPALIER_NATS_MONITOR_URL ? { monitorUrl: env.ESPALIER_NATS_MONITOR_URL } : {}),
    agentUser: env.NATS_AGENT_USER,
    agentPassword: env.NATS_AGENT_PASSWORD,
    close: async () => undefined,
  };
}

async function startOwn(
  program: string,
  dataDir: string,
  directory: string,
  log: (message: string) => void,
) {
  const portFile = join(directory, 'port');
  const port = await findFreePort(await keptPort(portFile));
  const monitorPort = await findFreePort();
  const websocketFile = join(directory, 'websocket-port');
  const websocketPort = await findFreePort(await keptPort(websocketFile));
  const password = await keptPassword(dataDir, 'nats-control-password');
  const { publicKey } = await controlKeysIn(join(dataDir, 'keys')).natsIssuerKey();
  const issuer = accountNkey(publicKey);
  const configFile = join(directory, 'nats-server.conf');
  const storeDirectory = join(directory, 'jetstream');
  const settings = {
    ...{ port, monitorPort, websocketPort, storeDirectory, password, issuer },
  };
  await writeFile(configFile, natsConfig(settings), { mode: 0o600 });
  await chmod(configFile, 0o600);
  const monitorUrl = `http://127.0.0.1:${monitorPort}`;
  const server = await supervise({
    name: 'nats-server',
    program,
    args: ['--config', configFile],
    stopSignal: 'SIGTERM',
    logFile: join(directory, 'nats-server.log'),
    pidFile: join(directory, 'nats-server.pid'),
    ready: () => isHealthy(monitorUrl),
    log,
  });
  await writeFile(portFile, String(port));
  await writeFile(websocketFile, String(websocketPort));
  const url = `nats://127.0.0.1:${port}`;
  const websocketUrl = `ws://127.0.0.1:${websocketPort}`;
  return {
    url,
    monitorUrl,
    websocketUrl,
    user: controlUser,
    password,
    server,
  };
}

async function keptPort(path: string): Promise<number> {
  return Number(await readFile(path, 'utf8').catch(() => '0'));
}

async function isHealthy(monitorUrl: string): Promise<boolean> {
  try {
    return (await fetch(`${monitorUrl}/healthz?js-enabled-only=true`)).ok;
  } catch {
    return false;
  }
}
