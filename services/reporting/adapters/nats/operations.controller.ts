import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { Controller, Inject } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import type { Clock } from '#libs/clock/clock.js';
import {
  type ArchiveClosedRuns,
  ArchiveClosedRunsSchema,
  DeadLetterDetailSchema,
  DeadLettersListSchema,
  type DeadLettersOf,
  DeadLettersOfSchema,
  DeadLettersQuerySchema,
  DeadLettersRetriedSchema,
  ReadModelsRebuiltSchema,
  RebuildReadModelsSchema,
  RunsArchivedSchema,
  StorageQuerySchema,
  StorageViewSchema,
  subjects,
} from '#libs/contracts/index.js';
import { keptStreams } from '#libs/event-log/adapters/jetstream/streams.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { OnRequest } from '#libs/nest-jetstream/decorators.js';
import { CLOCK, NATS } from '#libs/nest-jetstream/tokens.js';
import type { ArchiveWriter } from '../../app/archive-runs.js';
import { ARCHIVE, DATABASE, WHOLE_LOG } from '../../tokens.js';
import { listParked, parkedAggregates, retryParked } from '../postgres/parked-events.js';
import { readModels } from '../postgres/projections.js';
import { rebuildReadModels } from '../postgres/rebuild.js';
import { tableSizes } from '../postgres/table-sizes.js';
import { Archiver } from './archiver.js';

const command = (name: string) => subjects.command('reporting', name);

/** What an operator asks: what is parked, rebuilds, archives, sizes. */
@Controller()
export class OperationsController {
  constructor(
    @Inject(WHOLE_LOG) private readonly wholeLog: EventLog,
    @Inject(ARCHIVE) private readonly archive: ArchiveWriter,
    @Inject(DATABASE) private readonly database: DataSource,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(NATS) private readonly nats: NatsConnection,
    @Inject(Archiver) private readonly archiver: Archiver,
  ) {}

  @OnRequest(command('ParkedEvents'), DeadLettersQuerySchema, DeadLettersListSchema)
  async parkedEvents() {
    return { deadLetters: await parkedAggregates(this.database) };
  }

  @OnRequest(command('ParkedEventsOf'), DeadLettersOfSchema, DeadLetterDetailSchema)
  async parkedEventsOf({ consumer, aggregate }: DeadLettersOf) {
    const rows = await listParked(this.database);
    const own = rows.filter((row) => row.consumer === consumer && row.aggregate === aggregate);
    return {
      letters: own.map(({ sequence, type, reason, body, parked_at }) => ({
        sequence: BigInt(sequence),
        type,
        reason,
        attempts: 1,
        parkedAt: parked_at.toISOString(),
        body,
      })),
    };
  }

  @OnRequest(command('RetryParkedEvents'), DeadLettersOfSchema, DeadLettersRetriedSchema)
  async retryParkedEvents({ aggregate }: DeadLettersOf) {
    try {
      return { handled: await retryParked(this.database, readModels, aggregate), problem: '' };
    } catch (error) {
      return { handled: 0, problem: String(error) };
    }
  }

  @OnRequest(command('RebuildReadModels'), RebuildReadModelsSchema, ReadModelsRebuiltSchema)
  async rebuild() {
    const rebuilt = await rebuildReadModels(this.database, this.wholeLog, this.clock);
    const { sequence, durationMs, equal } = rebuilt;
    const word = equal === undefined ? 'unknown' : equal ? 'yes' : 'no';
    return { sequence: BigInt(sequence), durationMs, equal: word };
  }

  @OnRequest(command('ArchiveClosedRuns'), ArchiveClosedRunsSchema, RunsArchivedSchema)
  archiveClosedRuns({ olderThanMs, dryRun }: ArchiveClosedRuns) {
    return this.archiver.pass(Number(olderThanMs), dryRun);
  }

  @OnRequest(command('Storage'), StorageQuerySchema, StorageViewSchema)
  async storage() {
    const manager = await jetstreamManager(this.nats);
    const streams = keptStreams.map(async (stream) => {
      const { state } = await manager.streams.info(stream);
      const { messages, bytes, num_subjects } = state;
      return { stream, messages, bytes, subjects: num_subjects ?? 0 };
    });
    const { files, bytes, events } = await this.archive.sizes();
    return {
      streams: await Promise.all(streams),
      tables: await tableSizes(this.database),
      archiveFiles: files,
      archiveBytes: bytes,
      archivedEvents: events,
    };
  }
}
