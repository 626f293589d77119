import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Clock } from '#libs/clock/clock.js';
import { subjects } from '#libs/contracts/index.js';
import { eventStream } from '#libs/event-log/adapters/jetstream/streams.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import type { RunningProjection } from '#libs/event-log/projection-runner.js';
import { type ArchiveWriter, archivable } from '../../app/archive-runs.js';
import { KnownRuns } from '../../app/known-runs.js';

const copyTimeoutMs = 60_000;

/** Moves closed runs out of the stream; remembers from pass to pass what it has read there. */
export class Archiver {
  private readonly known = new KnownRuns();
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly log: EventLog,
    private readonly archive: ArchiveWriter,
    private readonly eventCopy: RunningProjection,
    private readonly nats: NatsConnection,
    private readonly clock: Clock,
  ) {}

  /**
   * Written and read again first, and copied to PostgreSQL; then taken out of the stream. One pass
   * after the other.
   */
  pass(olderThanMs: number, dryRun = false) {
    const done = this.last.then(() => this.passNow(olderThanMs, dryRun));
    this.last = done.catch(() => undefined);
    return done;
  }

  private async passNow(olderThanMs: number, dryRun: boolean) {
    const nowMs = this.clock.nowMs();
    const before = nowMs - olderThanMs;
    const { runs, events, aggregates } = await archivable(this.log, this.known, before, nowMs);
    const stored = events.map(({ sequence, stored: body = '' }) => ({ sequence, body }));
    const bytes = stored.reduce((sum, { body }) => sum + body.length, 0);
    const found = { runs: runs.length, events: events.length, bytes, file: '' };
    if (dryRun || events.length === 0) return found;
    const last = events.at(-1)?.sequence ?? 0;
    if (!(await this.eventCopy.reaches(last, copyTimeoutMs))) {
      throw new Error('the second copy of the log is behind; try again later');
    }
    const file = await this.archive.write(stored);
    const manager = await jetstreamManager(this.nats);
    for (const aggregate of aggregates) {
      const upTo = { filter: subjects.aggregate(aggregate), seq: last + 1 };
      await manager.streams.purge(eventStream, upTo);
    }
    this.known.forget(runs);
    return { ...found, bytes: file.bytes, file: `archive/${file.name}` };
  }
}
