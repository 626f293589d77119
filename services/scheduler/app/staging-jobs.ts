import { type Cancel, type Clock, scheduleTogether } from '#libs/clock/clock.js';
import type { LogView } from '#libs/event-log/log-view.js';
import { type Logger, reasonOf } from '#libs/telemetry/logger.js';
import { derivedId } from '../domain/derived-id.js';
import { type JobEntry, type JobsView, stagingTrigger } from '../domain/jobs-view.js';
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
  readonly staging: string;
  readonly end: () => void;
}

/** Makes jobs run whose site's staging changes, on this host or on others. */
export class StagingJobs {
  private readonly watches = new Map<string, Watch>();
  private cancel: Cancel | undefined;
  private isClosed = false;

  constructor(
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
      try {
        this.look();
      } catch (error) {
        this.logger.warn('staging could not be watched', { reason: reasonOf(error) });
      }
      this.plan();
    });
  }

  /** Watches for the jobs that there are now, where their sites are staged now. */
  private look(): void {
    const { jobs, stagings } = this.jobs.state;
    for (const [name, { version, staging, end }] of this.watches) {
      const entry = jobs.get(name);
      const isSame = entry?.version === version && stagings.get(entry.spec.site) === staging;
      if (isSame && !entry.paused) continue;
      end();
      this.watches.delete(name);
    }
    for (const [name, entry] of jobs) {
      if (entry.paused || this.watches.has(name)) continue;
      const quietMs = quietMsOf(entry);
      const staging = stagings.get(entry.spec.site);
      if (quietMs !== undefined && staging) this.begin(entry, staging, quietMs);
    }
  }

  private begin({ name, version, spec }: JobEntry, staging: string, quietMs: number): void {
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
    const end = this.watch({ site: spec.site, staging }, quietMs, changed);
    this.watches.set(name, { version, staging, end });
  }
}

function quietMsOf({ spec }: JobEntry): number | undefined {
  for (const { trigger } of spec.triggers) {
    if (trigger.case === 'staging') return Number(trigger.value.quietMs) || defaultQuietMs;
  }
  return undefined;
}
