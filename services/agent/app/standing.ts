import type { LiveVersion } from '#libs/contracts/index.js';
import type { AssignmentExecutor } from './executor.js';
import { HealthWatch, type HealthWatchOptions } from './health-watch.js';
import { Scrub } from './scrub.js';
import { type ServiceHealth, serviceHealth } from './service-health.js';

export interface StandingOptions extends HealthWatchOptions {
  /** What this server was to serve when it asked. */
  readonly expected: readonly LiveVersion[];
  readonly executor: Pick<AssignmentExecutor, 'liveVersions'>;
  /** Asks again what this server is to serve. */
  readonly ask: () => Promise<{ readonly expected: readonly LiveVersion[] }>;
}

/** What this server has beside what it should have. */
export class Standing {
  private expected: readonly LiveVersion[];
  private liveWhenAsked: readonly LiveVersion[];
  private readonly scrub: Scrub;
  private readonly healthWatch: HealthWatch;
  private readonly late = new Map<string, bigint>();
  private hadLeader = false;
  private isCutOff = false;

  constructor(private readonly options: StandingOptions) {
    this.scrub = new Scrub(options);
    this.healthWatch = new HealthWatch(options);
    this.expected = options.expected;
    this.liveWhenAsked = options.executor.liveVersions();
  }

  start(): void {
    this.scrub.start();
    this.healthWatch.start();
  }

  close(): void {
    this.scrub.close();
    this.healthWatch.close();
  }

  /** What is live here, as far as it is sound, and what is wrong with it. */
  liveVersions(): LiveVersion[] {
    return this.healthWatch.adjusted(this.scrub.adjusted(this.options.executor.liveVersions()));
  }

  health(): ServiceHealth {
    const live = this.options.executor.liveVersions();
    return serviceHealth(this.expected, live, this.liveWhenAsked, this.late);
  }

  /** The others have switched a site and this server has not. */
  isLate(site: string): void {
    const live = this.options.executor.liveVersions().find((version) => version.site === site);
    this.late.set(site, live?.sequence ?? 0n);
  }

  /** Who was cut off from its segment may have missed a run: it asks when it is back. */
  leaderIs(present: boolean): void {
    if (!present) this.isCutOff = this.hadLeader;
    else if (this.isCutOff) void this.askAgain();
    this.hadLeader ||= present;
  }

  private async askAgain(): Promise<void> {
    this.isCutOff = false;
    try {
      const { expected } = await this.options.ask();
      this.expected = expected;
      this.liveWhenAsked = this.options.executor.liveVersions();
    } catch (error) {
      this.isCutOff = true;
      this.options.log(`what is to be served is not known: ${(error as Error).message}`);
    }
  }
}
