import { join } from 'node:path';
import { Module } from '@nestjs/common';
import type { Clock } from '#libs/clock/clock.js';
import {
  type HostContentStore,
  openContentStore,
} from '#libs/content-store/adapters/configured-store.js';
import { PinBook } from '#libs/content-store/pin-book.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import type { ServiceConfig } from '#libs/nest-jetstream/service-config.js';
import { CLOCK, EVENT_LOG, SERVICE_CONFIG } from '#libs/nest-jetstream/tokens.js';
import { DeltaController, PUBLISH_DEPENDENCIES } from './adapters/delta.controller.js';
import { localStaging } from './adapters/local-staging.js';
import { pushedOrLocal } from './adapters/pushed-staging.js';
import { scanCacheFiles } from './adapters/scan-cache-file.js';
import { VersionsController } from './adapters/versions.controller.js';
import { ContentPins } from './app/content-pins.js';
import type { PublishDependencies } from './app/dependencies.js';
import { SiteVersions } from './app/site-history.js';

const HOST_CONTENT_STORE = Symbol('HOST_CONTENT_STORE');
const PIN_BOOK = Symbol('PIN_BOOK');

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
      provide: ContentPins,
      inject: [PIN_BOOK],
      useFactory: (pins: PinBook) => new ContentPins(pins),
    },
    {
      provide: PUBLISH_DEPENDENCIES,
      inject: [EVENT_LOG, CLOCK, SERVICE_CONFIG, HOST_CONTENT_STORE, PIN_BOOK],
      useFactory: (
        log: EventLog,
        clock: Clock,
        { dataDir }: ServiceConfig,
        { store, own }: HostContentStore,
        pins: PinBook,
      ): PublishDependencies => {
        const caches = scanCacheFiles(join(dataDir, 'delta', 'scan-cache'));
        const local = localStaging(store, caches, () => own.room?.());
        return { log, clock, store, pins, staging: pushedOrLocal(store, pins, local) };
      },
    },
    {
      provide: SiteVersions,
      inject: [EVENT_LOG, HOST_CONTENT_STORE],
      useFactory: (log: EventLog, { store }: HostContentStore) => new SiteVersions(log, store),
    },
  ],
})
export class DeltaModule {}
