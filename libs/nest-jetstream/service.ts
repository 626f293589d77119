import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import type { NatsConnection } from '@nats-io/nats-core';
import type { DynamicModule, INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { DomainError } from '#libs/contracts/index.js';
import { openJetStreamLog } from '#libs/event-log/adapters/jetstream/jetstream-log.js';
import { jsonLogger, type Logger, reasonOf } from '#libs/telemetry/logger.js';
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
): Promise<RunningService> {
  const nats = await connectNats(definition.name, config, clock, logger);
  try {
    return await startConnected(definition, config, logger, nats);
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
): Promise<RunningService> {
  const { name } = definition;
  const { allowLazySync, natsMonitorUrl: monitorUrl, natsReplicas: replicas } = config;
  const log = await openJetStreamLog(nats, { allowLazySync, monitorUrl, replicas, logger });
  const readiness = new Readiness(clock);
  const frame = { log, clock, nats, config, logger, readiness };
  const app = await NestFactory.create(
    serviceModule(definition.module, frame),
    new FastifyAdapter(),
    { logger: nestLogger(logger), abortOnError: false },
  );
  const strategy = new JetStreamStrategy({ service: name, nats, clock, logger });
  readiness.add('NATS', natsCheck(nats));
  readiness.add('consumers', async () => strategy.problems()[0]);
  const close = async () => {
    await strategy.close();
    await app.close();
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
    const running = await startService(definition, configFromEnvironment(process.env), logger);
    const stop = (signal: NodeJS.Signals) => {
      logger.info('stopping', { signal });
      const late = new Error(`not drained within ${drainWithinMs} ms`);
      clock.schedule(drainWithinMs, () => fail(logger, late));
      void running.close().then(
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

async function listen(app: INestApplication, config: ServiceConfig): Promise<string | undefined> {
  if (config.httpPort === undefined) return undefined;
  await app.listen(config.httpPort, config.httpHost);
  const { address, family, port } = app.getHttpServer().address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

function serviceLogger(service: string): Logger {
  return jsonLogger((line) => process.stderr.write(line), clock, 'info', { service });
}

function fail(logger: Logger, error: unknown): never {
  const remedy = error instanceof DomainError ? { remedy: error.remedy } : { error };
  logger.error(reasonOf(error), remedy);
  process.exit(1);
}
