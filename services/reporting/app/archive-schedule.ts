import type { Cancel, Clock } from '#libs/clock/clock.js';
import { type Logger, reasonOf } from '#libs/telemetry/logger.js';

export const dayMs = 24 * 60 * 60_000;
/** After a start: others have taken their share of the work by then. */
const firstPassMs = 60_000;
/** A pass is limited: the next goes on with what is left. */
const passEveryMs = 60 * 60_000;

export interface ArchiveScheduleOptions {
  /** 0: never. */
  readonly afterDays: number;
  /** One pass. @returns how many runs were moved */
  archive(olderThanMs: number): Promise<number>;
  /** Whether it is this replica that does it, and the log is sound as far as is known. */
  mayArchive(): boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Moves what is over for long out of the stream, an hour after the other, by itself. */
export class ArchiveSchedule {
  private cancel: Cancel = () => undefined;
  private isClosed = false;

  constructor(private readonly options: ArchiveScheduleOptions) {
    if (options.afterDays > 0) this.plan(firstPassMs);
  }

  close(): void {
    this.isClosed = true;
    this.cancel();
  }

  private plan(delayMs: number): void {
    if (this.isClosed) return;
    this.cancel = this.options.clock.schedule(delayMs, () => {
      void this.pass().finally(() => this.plan(passEveryMs));
    });
  }

  private async pass(): Promise<void> {
    const { afterDays, archive, mayArchive, logger } = this.options;
    if (!mayArchive()) return;
    try {
      const runs = await archive(afterDays * dayMs);
      if (runs > 0) logger.info('archived runs', { runs });
    } catch (error) {
      logger.warn('runs were not archived', { reason: reasonOf(error) });
    }
  }
}
