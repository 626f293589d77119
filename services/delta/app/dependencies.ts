import type { Clock } from '#libs/clock/clock.js';
import type { ContentStore } from '#libs/content-store/content-store.js';
import type { PinBook } from '#libs/content-store/pin-book.js';
import type { RunStarted } from '#libs/contracts/index.js';
import type { ScanResult } from '#libs/delta/scan.js';
import type { EventLog } from '#libs/event-log/event-log.js';

/** Reads staging directories into the content store. */
export interface Staging {
  /**
   * Describes a run's staging directory; unless it is a dry run, its content is in the store after.
   * @throws the DomainErrors of libs/delta/scan-errors
   */
  capture(run: RunStarted): Promise<Omit<ScanResult, 'cache'>>;
}

export interface PublishDependencies {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly store: ContentStore;
  readonly staging: Staging;
  /** Keeps what runs need from being collected. */
  readonly pins: PinBook;
}
