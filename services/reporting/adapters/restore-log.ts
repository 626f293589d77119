import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConsumerConfig, type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { DataSource } from 'typeorm';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { DomainError } from '#libs/contracts/index.js';
import { ArchiveFiles } from '#libs/event-log/adapters/archive-files.js';
import { openJetStreamLog } from '#libs/event-log/adapters/jetstream/jetstream-log.js';
import {
  durablePositions,
  emptyStream,
  makeConsumers,
  publishStored,
  servicesRun,
} from '#libs/event-log/adapters/jetstream/restored-stream.js';
import { type ArchivedEvent, withArchive } from '#libs/event-log/archived-log.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { controlKeysIn } from '#libs/keys/adapters/file-keys.js';
import { connectNats } from '#libs/nest-jetstream/nats-connection.js';
import type { ServiceConfig } from '#libs/nest-jetstream/service-config.js';
import { silentLogger } from '#libs/telemetry/logger.js';
import { type CopyProblem, planRestore, type RestorePlan } from '../audit/restore-plan.js';
import { openDatabase } from './postgres/database.js';
import { checkpoints, copiedEvents, copyHead } from './postgres/event-copy.js';

export interface RestoreOptions {
  /** Replaces the stream where writing on at its end is not enough. */
  readonly replace: boolean;
  readonly dryRun: boolean;
}

export interface RestoredLog extends RestorePlan {
  /** Events that were written into the stream. */
  readonly written: number;
  /** Where the events are that the stream had and the copy has not; empty: there were none. */
  readonly keptIn: string;
}

export class ServicesRunning extends DomainError {
  override readonly name = 'ServicesRunning';
  constructor() {
    super('services read the log at present', 'stop all services, and try again');
  }
}

/** The copy cannot stand for the log. */
export class CopyUnsound extends DomainError {
  override readonly name = 'CopyUnsound';
  constructor({ sequence, problem }: CopyProblem) {
    super(
      `the second copy is not sound at event ${sequence}: ${problem}`,
      'restore PostgreSQL from a backup first',
    );
  }
}

export class ReplaceNeeded extends DomainError {
  override readonly name = 'ReplaceNeeded';
  constructor({ firstBad, problem, others }: RestorePlan) {
    const also = others > 0 ? `; ${others} events that only the log has would be put aside` : '';
    super(
      `event ${firstBad} (${problem}) cannot be put back at its place${also}`,
      'with --replace the whole stream is written anew from the copy',
    );
  }
}

/**
 * Brings the stream of events back to what its second copy has, event by event at the same
 * sequences. For a control plane of which no service runs.
 * @throws ServicesRunning, CopyUnsound, ReplaceNeeded, RestoreInterrupted: then it may be repeated
 */
export async function restoreLog(
  config: ServiceConfig,
  options: RestoreOptions,
): Promise<RestoredLog> {
  const nats = await connectNats('restore', config, systemClock, silentLogger);
  const database = await openDatabase(config.databaseUrl ?? '');
  try {
    const { allowLazySync, natsMonitorUrl: monitorUrl, natsReplicas: replicas } = config;
    const manager = await jetstreamManager(nats);
    if (await servicesRun(manager)) throw new ServicesRunning();
    const log = await openJetStreamLog(nats, { allowLazySync, monitorUrl, replicas });
    const restore = new Restore(nats, manager, log, database, config.dataDir);
    return await restore.run(options);
  } finally {
    await database.destroy();
    await nats.close();
  }
}

/** What a restore that was cut short needs to go on. */
interface Unfinished {
  readonly consumers: readonly ConsumerConfig[];
  /** Events after those of the copy. */
  readonly tail: readonly ArchivedEvent[];
}

class Restore {
  private readonly directory: string;
  private readonly noteFile: string;

  constructor(
    private readonly nats: NatsConnection,
    private readonly manager: JetStreamManager,
    private readonly log: EventLog,
    private readonly database: DataSource,
    private readonly dataDir: string,
  ) {
    this.directory = join(dataDir, 'restored');
    this.noteFile = join(this.directory, 'unfinished.json');
  }

  async run({ replace, dryRun }: RestoreOptions): Promise<RestoredLog> {
    const noted = await this.unfinished();
    const { plan, others, tail } = await this.plan();
    const none = { ...plan, written: 0, keptIn: '' };
    if (dryRun || (plan.kind === 'sound' && !noted)) return none;
    if (plan.kind !== 'replace') return { ...none, written: await this.finish(noted, plan) };
    if (!replace) throw new ReplaceNeeded(plan);
    const kept = others.length > 0 ? await new ArchiveFiles(this.directory).write(others) : null;
    const note = { consumers: await durablePositions(this.manager), tail };
    await this.note(note);
    await emptyStream(this.manager);
    const written = await this.finish(note, { ...plan, last: 0 });
    return { ...plan, written, keptIn: kept ? join('restored', kept.name) : '' };
  }

  private async plan() {
    const { publicKey } = await controlKeysIn(join(this.dataDir, 'keys')).auditKey();
    const signed = await checkpoints(this.database);
    const head = await copyHead(this.database);
    const archive = new ArchiveFiles(join(this.dataDir, 'archive'));
    const whole = withArchive(this.log, archive);
    const planned = await planRestore({
      log: whole.replay({ afterSequence: 0, withStored: true }),
      copy: copiedEvents(this.database, head),
      signed,
      publicKey,
      last: await this.log.lastSequence(),
      head,
    });
    if ('unsound' in planned) throw new CopyUnsound(planned.unsound);
    return planned;
  }

  /** Writes on at the end of the stream, and has its consumers go on where they had come to. */
  private async finish(noted: Unfinished | undefined, { last, head }: RestorePlan) {
    const { tail = [], consumers = [] } = noted ?? {};
    const events = continued(copiedEvents(this.database, head, Math.min(last, head)), tail, last);
    const written = await publishStored(this.nats, events, last);
    await makeConsumers(this.manager, consumers);
    await rm(this.noteFile, { force: true });
    return written;
  }

  private async unfinished(): Promise<Unfinished | undefined> {
    try {
      return JSON.parse(await readFile(this.noteFile, 'utf8')) as Unfinished;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** On disk before anything is taken away. */
  private async note(note: Unfinished): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    const file = await open(`${this.noteFile}.new`, 'w', 0o600);
    try {
      await file.writeFile(JSON.stringify(note));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${this.noteFile}.new`, this.noteFile);
    const directory = await open(this.directory, 'r');
    await directory.sync().finally(() => directory.close());
  }
}

async function* continued(
  copied: AsyncIterable<ArchivedEvent>,
  tail: readonly ArchivedEvent[],
  afterSequence: number,
): AsyncGenerator<ArchivedEvent> {
  yield* copied;
  for (const event of tail) if (event.sequence > afterSequence) yield event;
}
