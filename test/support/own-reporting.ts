import 'reflect-metadata';
import { rm } from 'node:fs/promises';
import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import pg from 'pg';
import { type EmbeddedNats, startNats } from '#deploy/embedded/nats.js';
import { type EmbeddedPostgres, startPostgres } from '#deploy/embedded/postgres.js';
import type { Supervised } from '#deploy/embedded/supervise.js';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import {
  AuditVerdictSchema,
  AuditVerifyQuerySchema,
  type DomainEvent,
  subjects,
} from '#libs/contracts/index.js';
import { openJetStreamLog } from '#libs/event-log/adapters/jetstream/jetstream-log.js';
import { type EventLog, noEvents } from '#libs/event-log/event-log.js';
import { ownerOf } from '#libs/event-log/event-owners.js';
import {
  type RunningService,
  type ServiceConfig,
  startService,
} from '#libs/nest-jetstream/service.js';
import { ServiceClient } from '#libs/nest-jetstream/service-client.js';
import { silentLogger } from '#libs/telemetry/logger.js';
import { definition } from '#services/reporting/service.js';
import { ownServers, scratchDirectory } from './servers.js';

/** Reporting as a service, on a nats-server and a PostgreSQL of the test's own. */
export class OwnReporting {
  private service: RunningService | undefined;

  private constructor(
    readonly directory: string,
    /** The process of nats-server. */
    readonly natsServer: Supervised,
    private postgres: EmbeddedPostgres,
    readonly nats: NatsConnection,
    readonly log: EventLog,
    readonly config: ServiceConfig,
    private readonly client: ServiceClient,
    private readonly closeNats: () => Promise<void>,
  ) {}

  static async start(): Promise<OwnReporting> {
    const directory = await scratchDirectory();
    const options = { dataDir: directory, env: ownServers() };
    const server = (await startNats(options)) as Required<EmbeddedNats>;
    const postgres = await startPostgres(options);
    const { url: natsUrl, user: natsUser, password: natsPassword, monitorUrl } = server;
    const nats = await connect({
      servers: natsUrl,
      user: natsUser,
      pass: natsPassword,
      reconnectTimeWait: 100,
      maxReconnectAttempts: -1,
    });
    const log = await openJetStreamLog(nats, { allowLazySync: false, monitorUrl });
    const config = {
      ...{ natsUrl, natsUser, natsPassword, natsMonitorUrl: monitorUrl },
      ...{ databaseUrl: postgres.url, httpHost: '127.0.0.1', httpPort: 0 },
      ...{ dataDir: directory, allowLazySync: false },
    };
    const own = new OwnReporting(
      ...([directory, server.server, postgres, nats, log, config] as const),
      ...([new ServiceClient(nats), () => server.close()] as const),
    );
    await own.startService();
    return own;
  }

  async startService(): Promise<void> {
    this.service = await startService(definition, this.config, silentLogger);
  }

  async stopService(): Promise<void> {
    await this.service?.close();
    this.service = undefined;
  }

  stopPostgres(): Promise<void> {
    return this.postgres.close();
  }

  async startPostgres(): Promise<void> {
    this.postgres = await startPostgres({ dataDir: this.directory, env: ownServers() });
  }

  async close(): Promise<void> {
    await this.stopService();
    await this.nats.close();
    await this.postgres.close();
    await this.closeNats();
    await rm(this.directory, { recursive: true, force: true });
  }

  get databaseUrl(): string {
    return this.postgres.url;
  }

  /** One statement in the database of reporting. */
  async sql(statement: string, parameters: readonly unknown[] = []): Promise<void> {
    const database = new pg.Client({ connectionString: this.databaseUrl });
    await database.connect();
    try {
      await database.query(statement, [...parameters]);
    } finally {
      await database.end();
    }
  }

  /** Appends to the aggregate of that id which owns such events. @returns its sequence */
  async append(happened: DomainEvent, id: string, correlationId = id): Promise<number> {
    const aggregate = { type: ownerOf[happened.type], id };
    const { sequence, version } = (await this.log.read(aggregate)).at(-1) ?? noEvents;
    const causationId = `${id}-${happened.type}`;
    const context = { actor: 'cli:ann', correlationId, causationId, reason: 'a test' };
    const head = { sequence, version };
    const nowMs = systemClock.nowMs();
    const [recorded] = await this.log.append(aggregate, head, [happened], context, nowMs);
    return recorded?.sequence ?? 0;
  }

  ask<Q extends DescMessage, R extends DescMessage>(
    name: string,
    query: Q,
    reply: R,
    given: MessageInitShape<Q>,
  ): Promise<MessageShape<R>> {
    const subject = subjects.command('reporting', name);
    return this.client.request(subject, query, reply, given, 30_000);
  }

  readonly verify = () => this.ask('AuditVerify', AuditVerifyQuerySchema, AuditVerdictSchema, {});

  /** How far each durable consumer of the stream of events has come. */
  async positions(): Promise<Record<string, number>> {
    const manager = await jetstreamManager(this.nats);
    const positions: Record<string, number> = {};
    for await (const { name, ack_floor, config } of manager.consumers.list('EVENTS')) {
      if (config.durable_name) positions[name] = ack_floor.stream_seq;
    }
    return positions;
  }

  /** The status of `readyz`. */
  async ready(): Promise<number> {
    return (await fetch(`${this.service?.url}/readyz`)).status;
  }

  async reasons(): Promise<string> {
    return ((await this.service?.readiness())?.reasons ?? []).join();
  }
}
