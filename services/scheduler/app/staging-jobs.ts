import { type Cancel, type Clock, scheduleTogether } from '#libs/clock/clock.js';
import { load } from '#libs/event-log/aggregate.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import type { LogView } from '#libs/event-log/log-view.js';
import { type Logger, reasonOf } from '#libs/telemetry/logger.js';
import { derivedId } from '../domain/derived-id.js';
import { type JobEntry, type JobsView, stagingTrigger } from '../domain/jobs-view.js';
import { siteAggregate } from '../domain/site.js';
import type { JobStarts } from './job-starts.js';

/** Whose staging is watched: `staging` as its settings say. */
export interface StagedSite {
  readonly site: string;
  readonly staging: string;
}

/**
 * Watches a site's staging. Calls `changed` with what the tree looks like: first at once, then when
 * it has changed and been quiet for a while, and now and then in any case. @returns ends the watch
 */
export type WatchStaging = (
  site: StagedSite,
  quietMs: number,
  changed: (fingerprint: string) => Promise<void>,
) => () => void;

const lookEveryMs = 1_200;
const defaultQuietMs = 2_000;

interface Watch {
  readonly version: bigint;
  readonly end: () => void;
}

/** Makes jobs run whose site's staging changes, on this host or on others. */
export class StagingJobs {
  private readonly watches = new Map<string, Watch>();
  private cancel: Cancel | undefined;
  private isClosed = false;

  constructor(
    private readonly log: EventLog,
    private readonly jobs: Pick<LogView<JobsView>, 'state'>,
    private readonly starts: Pick<JobStarts, 'start'>,
    private readonly watch: WatchStaging,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    this.plan();
  }

  close(): void {
    this.isClosed = true;
    this.cancel?.();
    for (const { end } of this.watches.values()) end();
  }

  private plan(): void {
    if (this.isClosed) return;
    this.cancel = scheduleTogether(this.clock, lookEveryMs, () => {
      void this.look()
        .catch((error) => {
          this.logger.warn('staging could not be watched', { reason: reasonOf(error) });
        })
        .finally(() => this.plan());
    });
  }

  /** Watches for the jobs that there are now. */
  private async look(): Promise<void> {
    const { jobs } = this.jobs.state;
    for (const [name, { version, end }] of this.watches) {
      const entry = jobs.get(name);
      if (entry && !entry.paused && entry.version === version) continue;
      end();
      this.watches.delete(name);
    }
    for (const [name, entry] of jobs) {
      if (entry.paused || this.watches.has(name)) continue;
      const quietMs = quietMsOf(entry);
      if (quietMs !== undefined) await this.begin(entry, quietMs);
    }
  }

  private async begin({ name, version, spec }: JobEntry, quietMs: number): Promise<void> {
    const { state } = await load(this.log, siteAggregate, spec.site);
    if (state.situation !== 'created' || this.isClosed) return;
    // What is there when a job is made is no change; what changed while nobody looked is one.
    let known = this.jobs.state.jobs.get(name)?.lastStaging || undefined;
    const changed = async (fingerprint: string) => {
      const entry = this.jobs.state.jobs.get(name);
      const isChange = entry && known !== undefined && known !== fingerprint;
      if (!isChange) {
        known = fingerprint;
        return;
      }
      const runId = derivedId('staging', name, fingerprint);
      await this.starts.start(entry, { runId, trigger: `${stagingTrigger}${fingerprint}` });
      known = fingerprint;
    };
    const { site, staging } = state.settings;
    this.watches.set(name, { version, end: this.watch({ site, staging }, quietMs, changed) });
  }
}

function quietMsOf({ spec }: JobEntry): number | undefined {
  for (const { trigger } of spec.triggers) {
    if (trigger.case === 'staging') return Number(trigger.value.quietMs) || defaultQuietMs;
  }
  return undefined;
}
