import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/nats-core';
import { Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import type { Clock } from '#libs/clock/clock.js';
import {
  type HostContentStore,
  openContentStore,
} from '#libs/content-store/adapters/configured-store.js';
import { PinBook } from '#libs/content-store/pin-book.js';
import { ArchiveFiles } from '#libs/event-log/adapters/archive-files.js';
import { withArchive } from '#libs/event-log/archived-log.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { controlKeysIn } from '#libs/keys/adapters/file-keys.js';
import type { ControlKeys } from '#libs/keys/key-provider.js';
import type { ServiceConfig } from '#libs/nest-jetstream/service.js';
import { ServiceClient } from '#libs/nest-jetstream/service-client.js';
import { CLOCK, EVENT_LOG, NATS, SERVICE_CONFIG } from '#libs/nest-jetstream/tokens.js';
import { linkGate } from '#libs/tree/adapters/host-link.js';
import { AgentListener } from './adapters/http/agent-listener.js';
import { AuditController } from './adapters/http/audit.controller.js';
import { BlobsController } from './adapters/http/blobs.controller.js';
import { Console } from './adapters/http/console.js';
import { DeadLettersController } from './adapters/http/dead-letters.controller.js';
import { EnrolmentController } from './adapters/http/enrolment.controller.js';
import { ErrorFilter } from './adapters/http/error.filter.js';
import { EventsController } from './adapters/http/events.controller.js';
import { JobsController } from './adapters/http/jobs.controller.js';
import { LinkController, ProtobufBodies } from './adapters/http/link.controller.js';
import { ListsController } from './adapters/http/lists.controller.js';
import { NodesController } from './adapters/http/nodes.controller.js';
import { OperationsController } from './adapters/http/operations.controller.js';
import { RunsController } from './adapters/http/runs.controller.js';
import { SameSiteGuard } from './adapters/http/same-site.guard.js';
import { SegmentsController } from './adapters/http/segments.controller.js';
import { SitesController } from './adapters/http/sites.controller.js';
import { ByteBodies, StagingController } from './adapters/http/staging.controller.js';
import { StagingServersController } from './adapters/http/staging-servers.controller.js';
import { TimeController } from './adapters/http/time.controller.js';
import { TreeController } from './adapters/http/tree.controller.js';
import { VersionsController } from './adapters/http/versions.controller.js';
import { WebhooksController } from './adapters/http/webhooks.controller.js';
import { natsListen } from './adapters/nats-listen.js';
import { NatsSignIns } from './adapters/nats-sign-ins.js';
import { AgentRequests } from './app/agent-requests.js';
import { AgentSignIn } from './app/agent-sign-in.js';
import { Mailboxes, stagingSubjects } from './app/mailboxes.js';
import { PushedTrees } from './app/pushed-trees.js';
import { Roster } from './app/roster.js';
import { agentNatsAccess, inboundSecrets, natsAccount, uplinkLimits } from './config.js';
import {
  AGENT_NATS_ACCESS,
  CONTENT_STORE,
  CONTROL_KEYS,
  HOST_CONTENT_STORE,
  INBOUND_SECRETS,
  STAGING_MAILBOXES,
  UPLINK,
  WHOLE_LOG,
} from './tokens.js';

/** Lists come last: their route is the most general. */
@Module({
  controllers: [
    StagingController,
    StagingServersController,
    SitesController,
    VersionsController,
    RunsController,
    JobsController,
    NodesController,
    SegmentsController,
    TreeController,
    TimeController,
    EventsController,
    EnrolmentController,
    LinkController,
    BlobsController,
    AuditController,
    DeadLettersController,
    OperationsController,
    WebhooksController,
    ListsController,
  ],
  providers: [
    Console,
    { provide: APP_FILTER, useClass: ErrorFilter },
    { provide: APP_GUARD, useClass: SameSiteGuard },
    {
      provide: ServiceClient,
      inject: [NATS],
      useFactory: (nats: NatsConnection) => new ServiceClient(nats),
    },
    ByteBodies,
    ProtobufBodies,
    AgentListener,
    {
      provide: Mailboxes,
      inject: [NATS, CLOCK],
      useFactory: (nats: NatsConnection, clock: Clock) => new Mailboxes(natsListen(nats), clock),
    },
    {
      provide: STAGING_MAILBOXES,
      inject: [NATS, CLOCK],
      useFactory: (nats: NatsConnection, clock: Clock) =>
        new Mailboxes(natsListen(nats), clock, stagingSubjects),
    },
    {
      provide: AgentRequests,
      inject: [Roster, CLOCK],
      useFactory: (roster: Roster, clock: Clock) =>
        new AgentRequests((node) => roster.keyOf(node), clock),
    },
    {
      provide: AgentSignIn,
      inject: [AgentRequests, CONTROL_KEYS, CLOCK],
      useFactory: async (agents: AgentRequests, keys: ControlKeys, clock: Clock) =>
        new AgentSignIn({
          agents,
          issuer: await keys.natsIssuerKey(),
          account: natsAccount(process.env),
          nowMs: () => clock.nowMs(),
        }),
    },
    NatsSignIns,
    {
      provide: HOST_CONTENT_STORE,
      inject: [SERVICE_CONFIG],
      useFactory: ({ dataDir }: ServiceConfig) => openContentStore(dataDir, process.env),
    },
    {
      provide: WHOLE_LOG,
      inject: [EVENT_LOG, SERVICE_CONFIG],
      useFactory: (log: EventLog, { dataDir }: ServiceConfig) =>
        withArchive(log, new ArchiveFiles(join(dataDir, 'archive'))),
    },
    {
      provide: Roster,
      inject: [EVENT_LOG],
      useFactory: (log: EventLog) => new Roster(log),
    },
    {
      provide: UPLINK,
      inject: [CLOCK],
      useFactory: (clock: Clock) => linkGate(uplinkLimits(process.env), clock),
    },
    {
      provide: CONTENT_STORE,
      inject: [HOST_CONTENT_STORE],
      useFactory: ({ store }: HostContentStore) => store,
    },
    {
      provide: PushedTrees,
      inject: [HOST_CONTENT_STORE, CLOCK],
      useFactory: ({ store, own }: HostContentStore, clock: Clock) => {
        const pins = new PinBook(own.shelf, clock);
        return new PushedTrees({ store, pins, room: () => own.room?.() });
      },
    },
    {
      provide: CONTROL_KEYS,
      inject: [SERVICE_CONFIG],
      useFactory: ({ dataDir }: ServiceConfig) => controlKeysIn(join(dataDir, 'keys')),
    },
    { provide: INBOUND_SECRETS, useFactory: () => inboundSecrets(process.env) },
    {
      provide: AGENT_NATS_ACCESS,
      inject: [SERVICE_CONFIG],
      useFactory: (config: ServiceConfig) => agentNatsAccess(config, process.env),
    },
  ],
})
export class GatewayModule {}
