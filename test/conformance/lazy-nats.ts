import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findFreePort } from '#deploy/embedded/free-port.js';
import { cacheDirectory } from '#deploy/embedded/locations.js';
import { findNatsServer } from '#deploy/embedded/nats-binary.js';
import { supervise } from '#deploy/embedded/supervise.js';
import { scratchDirectory } from '../support/servers.js';

/** A nats-server that acknowledges before it writes to disk: quick to fill, not to be trusted. */
export async function withLazyNats() {
  const directory = await scratchDirectory();
  const [port, monitorPort] = [await findFreePort(), await findFreePort()];
  const monitorUrl = `http://127.0.0.1:${monitorPort}`;
  const config = join(directory, 'nats.conf');
  await mkdir(join(directory, 'js'));
  await writeFile(
    config,
    `listen: "127.0.0.1:${port}"\nhttp: "127.0.0.1:${monitorPort}"\n` +
      `jetstream { store_dir: "${directory}/js" }\n`,
  );
  const binary = await findNatsServer({
    cacheDir: cacheDirectory(),
    env: process.env,
    log: () => undefined,
  });
  const server = await supervise({
    name: 'nats-server',
    program: binary.path,
    args: ['--config', config],
    stopSignal: 'SIGTERM',
    logFile: join(directory, 'nats.log'),
    pidFile: join(directory, 'nats.pid'),
    ready: () =>
      fetch(`${monitorUrl}/healthz?js-enabled-only=true`).then(
        ({ ok }) => ok,
        () => false,
      ),
    log: () => undefined,
  });
  return {
    url: `nats://127.0.0.1:${port}`,
    monitorUrl,
    async stop() {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
