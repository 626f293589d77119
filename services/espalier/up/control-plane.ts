import { join } from 'node:path';
import { startEmbeddedServers } from '#deploy/embedded/embedded-servers.js';
import { findFreePort } from '#deploy/embedded/free-port.js';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import {
  type RunningService,
  type ServiceConfig,
  type ServiceDefinition,
  startService,
} from '#libs/nest-jetstream/service.js';
import { logWriter } from '#libs/telemetry/adapters/log-file.js';
import { startTelemetry, type Telemetry } from '#libs/telemetry/adapters/setup.js';
import { jsonLogger } from '#libs/telemetry/logger.js';
import { definition as assignmentBuilder } from '#services/assignment-builder/service.js';
import { definition as delta } from '#services/delta/service.js';
import { definition as gateway } from '#services/gateway/service.js';
import { definition as reporting } from '#services/reporting/service.js';
import { definition as scheduler } from '#services/scheduler/service.js';
import { definition as treePlanner } from '#services/tree-planner/service.js';
import { freeHttpPort } from './adapters/http-port.js';
import { serviceConfig } from './service-config.js';

export interface ControlPlaneOptions {
  readonly dataDir: string;
  readonly httpHost: string;
  /** 0: any free port. */
  readonly httpPort: number;
  /** Where agents connect by HTTPS; 0: any free port; undefined: the next one, if it is free. */
  readonly agentPort?: number;
  readonly log: (line: string) => void;
}

export interface ControlPlane {
  readonly url: string;
  /** Where agents connect, and who signed its certificate. */
  readonly agentUrl: string;
  readonly authorityFile: string;
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
  const agentPort = await agentPortFor(options, httpPort);
  const agentUrl = `https://${httpHost}:${agentPort}`;
  const servers = await startEmbeddedServers({ dataDir, log });
  const { nats } = servers;
  Object.assign(process.env, {
    ESPALIER_ORIGIN_URL: agentUrl,
    ESPALIER_AGENT_URL: agentUrl,
    ESPALIER_AGENT_HTTPS_PORT: String(agentPort),
    ESPALIER_AGENT_NATS_WEBSOCKET_URL: nats.websocketUrl ?? '',
    ESPALIER_AGENT_NATS_USER: nats.agentUser ?? '',
    ESPALIER_AGENT_NATS_PASSWORD: nats.agentPassword ?? '',
    // Here all replicas share one data directory, in which archives are.
    ESPALIER_ARCHIVE_AFTER_DAYS: process.env.ESPALIER_ARCHIVE_AFTER_DAYS ?? '90',
  });
  const config = { ...serviceConfig(servers, dataDir), httpHost };
  const telemetry = await startTelemetry('control-plane', process.env, 'prometheus');
  const services: RunningService[] = [];
  const close = async () => {
    await Promise.all(services.map((service) => service.close()));
    await telemetry.close();
    await servers.close();
  };
  try {
    const started = await Promise.all(workers.map((worker) => start(worker, config, telemetry)));
    services.push(...started, await start(gateway, { ...config, httpPort }, telemetry));
  } catch (error) {
    await close();
    throw error;
  }
  log(`control plane ready at ${url}, for agents at ${agentUrl}`);
  const keyFile = (name: string) => join(dataDir, 'keys', name);
  const authorityFile = keyFile('tls-authority.pem');
  return { url, agentUrl, authorityFile, joinTokenFile: keyFile('join-token'), close };
}

/** @throws PortTaken for a port that was asked for */
function agentPortFor(
  { httpHost, httpPort: wanted, agentPort }: ControlPlaneOptions,
  httpPort: number,
): Promise<number> {
  if (agentPort !== undefined) return freeHttpPort(httpHost, agentPort);
  return findFreePort(wanted === 0 ? undefined : httpPort + 1);
}

/** Only what needs attention is logged: this process talks to a person. */
function start(
  service: ServiceDefinition,
  config: ServiceConfig,
  telemetry: Telemetry,
): Promise<RunningService> {
  const write = logWriter(process.env);
  const logger = jsonLogger(write, systemClock, 'warn', { service: service.name });
  return startService(service, config, logger, telemetry);
}
