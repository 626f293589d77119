import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import type { NatsConnection } from '@nats-io/nats-core';
import type { DynamicModule, INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { DomainError } from '#libs/contracts/index.js';
import { openJetStreamLog } from '#libs/event-log/adapters/jetstream/jetstream-log.js';
import { logWriter } from '#libs/telemetry/adapters/log-file.js';
import { startTelemetry, type Telemetry } from '#libs/telemetry/adapters/setup.js';
import { jsonLogger, type Logger, reasonOf } from '#libs/telemetry/logger.js';
import { gauge } from '#libs/telemetry/metrics.js';
import { closeApplication } from './close-application.js';
import { JetStreamStrategy } from './jetstream-strategy.js';
import { connectNats, natsCheck } from './nats-connection.js';
import { nestLogger } from './nest-logger.js';
import { Readiness, type ReadinessReport } from './readiness.js';
import { serviceModule } from './service.module.js';
import { configFromEnvironment, type ServiceConfig } from './service-config.js';

export { configFromEnvironment, type ServiceConfig } from './service-config.js';

/** A control-plane service, as `services/<name>/service.ts` exports it. */
export interface ServiceDefinition {
  readonly name: string;
  readonly module: Type<unknown> | DynamicModule;
}

export interface RunningService {
  readonly name: string;
  /** Where its HTTP listener is; undefined without one. */
  readonly url?: string;
  readonly app: INestApplication;
  readiness(): Promise<ReadinessReport>;
  /** Finishes what is under way, then stops. */
  close(): Promise<void>;
}

const clock = systemClock;
const drainWithinMs = 25_000;

/**
 * Starts a service in this process: connects, opens the log, makes its consumers, listens.
 * @throws NatsUnreachable, and what `openJetStreamLog` throws
 */
export async function startService(
  definition: ServiceDefinition,
  config: ServiceConfig,
  logger: Logger = serviceLogger(definition.name),
  telemetry?: Telemetry,
): Promise<RunningService> {
  const nats = await connectNats(definition.name, config, clock, logger);
  try {
    return await startConnected(definition, config, logger, nats, telemetry);
  } catch (error) {
    await nats.close();
    throw error;
  }
}

async function startConnected(
  definition: ServiceDefinition,
  config: ServiceConfig,
  logger: Logger,
  nats: NatsConnection,
  telemetry?: Telemetry,
): Promise<RunningService> {
  const { name } = definition;
  const { allowLazySync, natsMonitorUrl: monitorUrl, natsReplicas: replicas } = config;
  const log = await openJetStreamLog(nats, { allowLazySync, monitorUrl, replicas, logger });
  const readiness = new Readiness(clock);
  const strategy = new JetStreamStrategy({ service: name, nats, clock, logger });
  const frame = { log, clock, nats, config, logger, readiness, telemetry, ownLanes: strategy };
  const app = await NestFactory.create(
    serviceModule(definition.module, frame),
    new FastifyAdapter(),
    { logger: nestLogger(logger), abortOnError: false, rawBody: true },
  );
  readiness.add('NATS', natsCheck(nats));
  readiness.add('consumers', async () => strategy.problems()[0]);
  showHealth(name, readiness, strategy);
  const close = async () => {
    await strategy.close();
    await closeApplication(app, clock);
    if (!nats.isClosed()) await nats.drain();
    logger.info('stopped');
  };
  try {
    app.connectMicroservice({ strategy });
    await app.init();
    await app.startAllMicroservices();
    const url = await listen(app, config);
    logger.info('started', { url });
    return { name, url, app, readiness: () => readiness.report(), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The whole of a `main.ts`: runs until SIGTERM or SIGINT, then drains. */
export async function runService(definition: ServiceDefinition): Promise<void> {
  const logger = serviceLogger(definition.name);
  try {
    const telemetry = await startTelemetry(definition.name, process.env, 'prometheus');
    const config = configFromEnvironment(process.env);
    const running = await startService(definition, config, logger, telemetry);
    const stop = (signal: NodeJS.Signals) => {
      logger.info('stopping', { signal });
      const late = new Error(`not drained within ${drainWithinMs} ms`);
      clock.schedule(drainWithinMs, () => fail(logger, late));
      const ended = running.close().finally(() => telemetry.close());
      void ended.then(
        () => process.exit(0),
        (error) => fail(logger, error),
      );
    };
    process.once('SIGTERM', stop);
    process.once('SIGINT', stop);
  } catch (error) {
    fail(logger, error);
  }
}

const readyOf = new Map<string, number>();
const lanesOf = new Map<string, number>();

/** What Prometheus sees of the services in this process. */
function showHealth(name: string, readiness: Readiness, strategy: JetStreamStrategy): void {
  const byService = (values: ReadonlyMap<string, number>) => () =>
    [...values].map(([service, value]) => ({ value, of: { service } }));
  gauge('ready', 'Whether the service can do its work', byService(readyOf));
  gauge('lanes', 'Parts of the log that this replica reads', () => {
    lanesOf.set(name, strategy.laneCount);
    // For the next look: a check asks servers.
    void readiness.report().then(({ ready }) => readyOf.set(name, ready ? 1 : 0));
    return byService(lanesOf)();
  });
}

async function listen(app: INestApplication, config: ServiceConfig): Promise<string | undefined> {
  if (config.httpPort === undefined) return undefined;
  await app.listen(config.httpPort, config.httpHost);
  const { address, family, port } = app.getHttpServer().address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

function serviceLogger(service: string): Logger {
  return jsonLogger(logWriter(process.env), clock, 'info', { service });
}

function fail(logger: Logger, error: unknown): never {
  const remedy = error instanceof DomainError ? { remedy: error.remedy } : { error };
  logger.error(reasonOf(error), remedy);
  process.exit(1);
}
