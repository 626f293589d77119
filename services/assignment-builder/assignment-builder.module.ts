import { join } from 'node:path';
import { Module } from '@nestjs/common';
import { bodyCacheIn } from '#libs/assignment/adapters/body-cache.js';
import { defaultLargestInMemoryBytes } from '#libs/assignment/encoding-policy.js';
import { compressedFormats } from '#libs/assignment/never-compress.js';
import type { Clock } from '#libs/clock/clock.js';
import { openContentStore } from '#libs/content-store/adapters/configured-store.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { controlKeysIn } from '#libs/keys/adapters/file-keys.js';
import { probeNative } from '#libs/native/capabilities.js';
import type { ServiceConfig } from '#libs/nest-jetstream/service.js';
import { CLOCK, EVENT_LOG, SERVICE_CONFIG } from '#libs/nest-jetstream/tokens.js';
import { AssignmentBuilderController } from './adapters/assignment-builder.controller.js';
import { scratchDirectories } from './adapters/scratch.js';
import { AssignmentBuilder } from './app/assignment-builder.js';

/** Bodies of assignments kept for servers that come back with an older version. */
const keptBodies = 16;

@Module({
  controllers: [AssignmentBuilderController],
  providers: [
    {
      provide: AssignmentBuilder,
      inject: [EVENT_LOG, CLOCK, SERVICE_CONFIG],
      useFactory: (log: EventLog, clock: Clock, { dataDir }: ServiceConfig) => {
        const { store } = openContentStore(dataDir, process.env);
        const ports = {
          log,
          clock,
          store,
          keys: controlKeysIn(join(dataDir, 'keys')),
          bodies: bodyCacheIn(join(dataDir, 'bodies'), store, keptBodies),
          scratchDirectory: scratchDirectories(join(dataDir, 'building'), () => clock.nowMs()),
        };
        return new AssignmentBuilder(ports, {
          neverCompress: compressedFormats,
          capabilities: probeNative(),
          largestInMemoryBytes: defaultLargestInMemoryBytes,
        });
      },
    },
  ],
})
export class AssignmentBuilderModule {}
