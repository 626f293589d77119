import type { Cancel, Clock } from '#libs/clock/clock.js';
import type { LiveVersion } from '#libs/contracts/index.js';
import { checkHealth } from '#libs/interpreter/health.js';
import type { HostPolicy } from '#libs/interpreter/host-policy.js';
import type { HostPrograms } from '#libs/interpreter/ports.js';
import { sitesIn } from './site-versions.js';

export interface HealthWatchOptions {
  /** The agent's directory. */
  readonly root: string;
  readonly policy: HostPolicy;
  readonly programs: HostPrograms;
  readonly clock: Clock;
  /** Called when a site is not healthy any more, or is again. */
  readonly onChanged: () => void;
  readonly log: (line: string) => void;
}

interface Finding {
  readonly sequence: number;
  readonly problem: string;
}

const longestProblem = 200;

/**
 * Repeats the probes of what is live: a version that was healthy when it went live may not be a
 * while later. Nothing is switched back here; the registration says so, and a rollout whose wave
 * soaks goes by it.
 */
export class HealthWatch {
  private readonly unhealthy = new Map<string, Finding>();
  private cancel: Cancel = () => undefined;
  private isClosed = false;

  constructor(private readonly options: HealthWatchOptions) {}

  start(): void {
    const { clock, policy } = this.options;
    const { healthEveryMs } = policy.scrub;
    if (healthEveryMs === 0 || this.isClosed) return;
    this.cancel = clock.schedule(healthEveryMs, () => {
      void this.round().then(() => this.start());
    });
  }

  close(): void {
    this.isClosed = true;
    this.cancel();
  }

  /** What is registered of live versions. */
  adjusted(live: readonly LiveVersion[]): LiveVersion[] {
    return live.map((version) => {
      const finding = this.unhealthy.get(version.site);
      if (!finding || BigInt(finding.sequence) !== version.sequence) return version;
      return { ...version, unhealthy: finding.problem };
    });
  }

  /** The probes of all sites, at once. */
  async round(): Promise<void> {
    await Promise.all(sitesIn(this.options.root).map((site) => this.look(site)));
  }

  private async look(site: string): Promise<void> {
    const { root, policy, programs, log } = this.options;
    try {
      const health = await checkHealth(
        { root, site, sitePolicy: policy.policyOf(site) },
        { programs },
      );
      if (health && !this.isClosed) this.found(site, health);
    } catch (error) {
      log(`the health of ${site} cannot be checked: ${(error as Error).message}`);
    }
  }

  /** What it says first of a version stays, so that changing words are no news. */
  private found(site: string, { sequence, problem }: Finding): void {
    const known = this.unhealthy.get(site);
    const before = known?.sequence === sequence ? known.problem : '';
    if ((problem === '') === (before === '')) return;
    if (problem === '') this.unhealthy.delete(site);
    else this.unhealthy.set(site, { sequence, problem: problem.slice(0, longestProblem) });
    const is =
      problem === '' ? 'healthy again' : `not healthy: ${problem.slice(0, longestProblem)}`;
    this.options.log(`version ${sequence} of ${site} is ${is}`);
    this.options.onChanged();
  }
}
