import { join } from 'node:path';
import { startEmbeddedServers } from '#deploy/embedded/embedded-servers.js';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import {
  type RunningService,
  type ServiceConfig,
  type ServiceDefinition,
  startService,
} from '#libs/nest-jetstream/service.js';
import { jsonLogger } from '#libs/telemetry/logger.js';
import { definition as assignmentBuilder } from '#services/assignment-builder/service.js';
import { definition as delta } from '#services/delta/service.js';
import { definition as gateway } from '#services/gateway/service.js';
import { definition as reporting } from '#services/reporting/service.js';
import { definition as scheduler } from '#services/scheduler/service.js';
import { definition as treePlanner } from '#services/tree-planner/service.js';
import { freeHttpPort } from './adapters/http-port.js';

export interface ControlPlaneOptions {
  readonly dataDir: string;
  readonly httpHost: string;
  /** 0: any free port. */
  readonly httpPort: number;
  readonly log: (line: string) => void;
}

export interface ControlPlane {
  readonly url: string;
  /** What a new agent must show. */
  readonly joinTokenFile: string;
  close(): Promise<void>;
}

const workers = [scheduler, delta, assignmentBuilder, treePlanner, reporting];

/**
 * Everything of the control plane on this host: embedded servers as children, all services here.
 * @throws PortTaken, and what `startEmbeddedServers` throws
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { dataDir, httpHost, log } = options;
  const httpPort = await freeHttpPort(httpHost, options.httpPort);
  const url = `http://${httpHost}:${httpPort}`;
  const servers = await startEmbeddedServers({ dataDir, log });
  const { nats, postgres } = servers;
  Object.assign(process.env, {
    ESPALIER_ORIGIN_URL: url,
    ESPALIER_AGENT_NATS_USER: nats.agentUser ?? '',
    ESPALIER_AGENT_NATS_PASSWORD: nats.agentPassword ?? '',
  });
  const config = {
    natsUrl: nats.url,
    ...(nats.user ? { natsUser: nats.user } : {}),
    ...(nats.password ? { natsPassword: nats.password } : {}),
    ...(nats.monitorUrl ? { natsMonitorUrl: nats.monitorUrl } : {}),
    databaseUrl: postgres.url,
    httpHost,
    dataDir,
    allowLazySync: process.env.ESPALIER_ALLOW_LAZY_SYNC === 'true',
  };
  const services: RunningService[] = [];
  const close = async () => {
    await Promise.all(services.map((service) => service.close()));
    await servers.close();
  };
  try {
    const started = await Promise.all(workers.map((worker) => start(worker, config)));
    services.push(...started, await start(gateway, { ...config, httpPort }));
  } catch (error) {
    await close();
    throw error;
  }
  log(`control plane ready at ${url}`);
  return { url, joinTokenFile: join(dataDir, 'keys', 'join-token'), close };
}

/** Only what needs attention is logged: this process talks to a person. */
function start(service: ServiceDefinition, config: ServiceConfig): Promise<RunningService> {
  const write = (line: string) => process.stderr.write(line);
  const logger = jsonLogger(write, systemClock, 'warn', { service: service.name });
  return startService(service, config, logger);
}
