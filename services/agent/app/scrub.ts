import type { Cancel, Clock } from '#libs/clock/clock.js';
import type { LiveVersion } from '#libs/contracts/index.js';
import { condemn } from '#libs/interpreter/damage.js';
import { type Drift, findDrift, liveBytes } from '#libs/interpreter/drift.js';
import type { HostPolicy } from '#libs/interpreter/host-policy.js';
import { readSiteState } from '#libs/interpreter/recover.js';
import type { SiteLocation } from '#libs/interpreter/site-layout.js';
import { defaultSitePolicy } from '#libs/interpreter/site-policy.js';
import { liveVersionsOf, sitesIn } from './site-versions.js';

export interface ScrubOptions {
  /** The agent's directory. */
  readonly root: string;
  readonly policy: HostPolicy;
  readonly clock: Clock;
  /** Called when something was found, or is in order again. */
  readonly onChanged: () => void;
  readonly log: (line: string) => void;
}

type Depth = 'attributes' | 'content';

/** What was found in the version that was live then. */
interface Finding {
  readonly sequence: number;
  readonly differences: number;
}

/** Part of the time of a round in which everything is read; the rest is for what changes. */
const readingShare = 0.9;
const leastPauseMs = 100;

/**
 * Compares what is live with what was signed, again and again: attributes often, every byte once
 * in a round. Where a site is to be repaired, its damaged versions are given up: the registration
 * says so, and the control plane sends what is wanted.
 */
export class Scrub {
  private readonly findings = new Map<string, Finding>();
  private readonly cancels = new Map<Depth, Cancel>();
  private readonly stopped = new AbortController();

  constructor(private readonly options: ScrubOptions) {}

  start(): void {
    const { attributesEveryMs, contentEveryMs } = this.options.policy.scrub;
    this.later('attributes', attributesEveryMs, attributesEveryMs);
    this.later('content', contentEveryMs, 0);
  }

  close(): void {
    this.stopped.abort();
    for (const cancel of this.cancels.values()) cancel();
  }

  /** What is registered of live versions, as far as it is sound. */
  adjusted(live: readonly LiveVersion[]): LiveVersion[] {
    return live.flatMap((version) => {
      const drifted = this.differencesIn(version);
      if (drifted === 0) return [version];
      if (this.policyOf(version.site) !== 'repair') return [{ ...version, drifted }];
      const state = readSiteState({ root: this.options.root, site: version.site });
      return liveVersionsOf(new Map([[version.site, state]])).map((now) => ({ ...now, drifted }));
    });
  }

  /** One round over all sites, one after the other: together they are read in its time. */
  async round(depth: Depth, everyMs: number): Promise<void> {
    const { root } = this.options;
    const sites = sitesIn(root).filter((site) => this.policyOf(site) !== 'ignore');
    const bytes = sites.reduce((sum, site) => sum + readableBytes({ root, site }), 0);
    const bytesPerSecond = Math.max(1, (bytes * 1000) / (everyMs * readingShare));
    for (const site of sites) {
      try {
        await this.look(site, depth, bytesPerSecond);
      } catch (error) {
        if (this.stopped.signal.aborted) return;
        this.options.log(`${site} cannot be compared: ${(error as Error).message}`);
      }
    }
  }

  private later(depth: Depth, everyMs: number, delayMs: number): void {
    const { clock } = this.options;
    if (everyMs === 0) return;
    const begin = () => {
      const startedMs = clock.nowMs();
      void this.round(depth, everyMs).then(() => {
        if (this.stopped.signal.aborted) return;
        this.later(depth, everyMs, Math.max(leastPauseMs, startedMs + everyMs - clock.nowMs()));
      });
    };
    this.cancels.set(depth, clock.schedule(delayMs, begin));
  }

  private async look(site: string, depth: Depth, bytesPerSecond: number): Promise<void> {
    const { root, clock, policy } = this.options;
    const { signal } = this.stopped;
    const sitePolicy = policy.policyOf(site);
    const order = { root, site, depth, bytesPerSecond, sitePolicy, signal };
    const drift = await findDrift(order, clock);
    if (drift) this.found(site, depth, drift);
  }

  private found(site: string, depth: Depth, drift: Drift): void {
    const { root, clock, onChanged } = this.options;
    const key = `${site} ${depth}`;
    const before = this.findings.get(key);
    const { sequence, differences } = drift;
    this.findings.set(key, { sequence, differences });
    const wasFound = before?.sequence === sequence ? before.differences : 0;
    const isRepaired = differences > 0 && this.policyOf(site) === 'repair';
    const condemned = isRepaired ? condemn({ root, site }, drift, clock) : [];
    if (differences === wasFound && condemned.length === 0) return;
    this.options.log(textOf(site, drift, condemned));
    onChanged();
  }

  private differencesIn({ site, sequence }: LiveVersion): number {
    const found = (['attributes', 'content'] as const).map((depth) => {
      const finding = this.findings.get(`${site} ${depth}`);
      return finding && BigInt(finding.sequence) === sequence ? finding.differences : 0;
    });
    return Math.max(...found);
  }

  private policyOf(site: string) {
    return this.options.policy.policyOf(site).drift ?? defaultSitePolicy.drift;
  }
}

/** What cannot be told of a site is told when it is looked at. */
function readableBytes(location: SiteLocation): number {
  try {
    return liveBytes(location);
  } catch {
    return 0;
  }
}

const namedPaths = 5;

function textOf(site: string, drift: Drift, condemned: readonly number[]): string {
  const { sequence, differences, missing, unexpected, changed } = drift;
  if (differences === 0) return `version ${sequence} of ${site} is as it was signed again`;
  const paths = [...changed, ...missing, ...unexpected].slice(0, namedPaths);
  const names = paths.map((path) => JSON.stringify(path)).join(', ');
  const then = condemned.length > 0 ? `; given up: ${condemned.join(', ')}` : '';
  return `version ${sequence} of ${site} differs in ${differences}: ${names}${then}`;
}
