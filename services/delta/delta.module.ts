import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/nats-core';
import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import type { Clock } from '#libs/clock/clock.js';
import {
  type HostContentStore,
  openContentStore,
} from '#libs/content-store/adapters/configured-store.js';
import { PinBook } from '#libs/content-store/pin-book.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { LogView } from '#libs/event-log/log-view.js';
import type { ServiceConfig } from '#libs/nest-jetstream/service-config.js';
import { CLOCK, EVENT_LOG, LOGGER, NATS, SERVICE_CONFIG } from '#libs/nest-jetstream/tokens.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { DeltaController, PUBLISH_DEPENDENCIES } from './adapters/delta.controller.js';
import { localStaging } from './adapters/local-staging.js';
import { natsStagingServers } from './adapters/nats-staging-servers.js';
import { pushedOrLocal } from './adapters/pushed-staging.js';
import { scanCacheFiles } from './adapters/scan-cache-file.js';
import { servedOr } from './adapters/served-staging.js';
import { VersionsController } from './adapters/versions.controller.js';
import { collectAtIntervals } from './app/collection.js';
import { ContentPins } from './app/content-pins.js';
import type { PublishDependencies } from './app/dependencies.js';
import { SiteVersions } from './app/site-history.js';
import { collectionSchedule, stagingAwayMs } from './config.js';
import {
  evolveServed,
  nothingServed,
  servedTreesAggregates,
  treesServed,
} from './domain/served-trees.js';

const HOST_CONTENT_STORE = Symbol('HOST_CONTENT_STORE');
const PIN_BOOK = Symbol('PIN_BOOK');
const SERVED_TREES = Symbol('SERVED_TREES');
const END_COLLECTION = Symbol('END_COLLECTION');

type ServedView = LogView<typeof nothingServed>;

@Module({
  controllers: [DeltaController, VersionsController],
  providers: [
    {
      provide: HOST_CONTENT_STORE,
      inject: [SERVICE_CONFIG],
      useFactory: ({ dataDir }: ServiceConfig) => openContentStore(dataDir, process.env),
    },
    {
      provide: PIN_BOOK,
      inject: [HOST_CONTENT_STORE, CLOCK],
      useFactory: ({ own }: HostContentStore, clock: Clock) => new PinBook(own.shelf, clock),
    },
    {
      provide: SERVED_TREES,
      inject: [EVENT_LOG],
      useFactory: (log: EventLog): Promise<ServedView> =>
        LogView.start(log, {
          aggregateTypes: servedTreesAggregates,
          initial: nothingServed,
          evolve: evolveServed,
        }),
    },
    {
      provide: ContentPins,
      inject: [PIN_BOOK, SERVED_TREES],
      useFactory: (pins: PinBook, served: ServedView) =>
        new ContentPins(pins, (site) => treesServed(served.state, site)),
    },
    {
      provide: END_COLLECTION,
      inject: [HOST_CONTENT_STORE, CLOCK, LOGGER],
      useFactory: ({ own }: HostContentStore, clock: Clock, logger: Logger) =>
        collectAtIntervals(own, collectionSchedule(process.env), clock, logger),
    },
    {
      provide: PUBLISH_DEPENDENCIES,
      inject: [EVENT_LOG, CLOCK, SERVICE_CONFIG, HOST_CONTENT_STORE, PIN_BOOK, NATS],
      useFactory: (
        log: EventLog,
        clock: Clock,
        { dataDir }: ServiceConfig,
        { store, own }: HostContentStore,
        pins: PinBook,
        nats: NatsConnection,
      ): PublishDependencies => {
        const caches = scanCacheFiles(join(dataDir, 'delta', 'scan-cache'));
        const local = localStaging(store, caches, () => own.room?.());
        const ask = natsStagingServers(nats);
        const awayMs = stagingAwayMs(process.env);
        const here = pushedOrLocal(store, pins, local);
        const staging = servedOr({ store, ask, clock, awayMs }, here);
        return { log, clock, store, pins, staging };
      },
    },
    {
      provide: SiteVersions,
      inject: [EVENT_LOG, HOST_CONTENT_STORE],
      useFactory: (log: EventLog, { store }: HostContentStore) => new SiteVersions(log, store),
    },
  ],
})
export class DeltaModule implements OnApplicationShutdown {
  constructor(
    @Inject(SERVED_TREES) private readonly served: ServedView,
    @Inject(END_COLLECTION) private readonly endCollection: () => Promise<void>,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    await this.endCollection();
    await this.served.close();
  }
}
