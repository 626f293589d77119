import type { NatsConnection } from '@nats-io/nats-core';
import { type DynamicModule, Global, Module, type Type } from '@nestjs/common';
import type { Clock } from '#libs/clock/clock.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import type { Telemetry } from '#libs/telemetry/adapters/setup.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { HealthController } from './health.controller.js';
import type { OwnLanes } from './jetstream-strategy.js';
import { Readiness } from './readiness.js';
import { ServiceClient } from './service-client.js';
import type { ServiceConfig } from './service-config.js';
import { CLOCK, EVENT_LOG, LOGGER, NATS, OWN_LANES, SERVICE_CONFIG, TELEMETRY } from './tokens.js';

/** What every service gets injected. */
export interface ServiceFrame {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly nats: NatsConnection;
  readonly config: ServiceConfig;
  readonly logger: Logger;
  readonly readiness: Readiness;
  readonly ownLanes: OwnLanes;
  readonly telemetry?: Telemetry | undefined;
}

@Global()
@Module({})
class ServiceModule {}

/** The root module of a service: its own module, the frame's providers, the health endpoints. */
export function serviceModule(
  module: Type<unknown> | DynamicModule,
  frame: ServiceFrame,
): DynamicModule {
  const providers = [
    { provide: EVENT_LOG, useValue: frame.log },
    { provide: CLOCK, useValue: frame.clock },
    { provide: NATS, useValue: frame.nats },
    { provide: SERVICE_CONFIG, useValue: frame.config },
    { provide: LOGGER, useValue: frame.logger },
    { provide: OWN_LANES, useValue: frame.ownLanes },
    { provide: TELEMETRY, useValue: frame.telemetry },
    { provide: Readiness, useValue: frame.readiness },
    { provide: ServiceClient, useValue: new ServiceClient(frame.nats) },
  ];
  return {
    module: ServiceModule,
    imports: [module],
    providers,
    exports: providers.map(({ provide }) => provide),
    controllers: [HealthController],
  };
}
