import type { RecordedEvent } from '#libs/contracts/index.js';
import { type Loaded, load } from '#libs/event-log/aggregate.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { type Claim, type ClaimEvent, claimAggregate } from '../domain/claim.js';

/** A claim as it was when it was last seen; an append finds out whether that is still so. */
export interface SeenClaim extends Loaded<Claim> {
  /** Others may have appended since. */
  readonly isRemembered: boolean;
}

const mostRemembered = 10_000;

/** The claims of all sites: remembered, so that a long history is not read for every run. */
export class Claims {
  private readonly seen = new Map<string, Loaded<Claim>>();

  constructor(private readonly log: EventLog) {}

  async load(site: string): Promise<SeenClaim> {
    const known = this.seen.get(site);
    if (known) return { ...known, isRemembered: true };
    const loaded = await load(this.log, claimAggregate(site), site);
    this.remember(site, loaded);
    return { ...loaded, isRemembered: false };
  }

  /** Takes in what this process has appended after what it saw. */
  appended(site: string, before: Loaded<Claim>, events: readonly RecordedEvent[]): void {
    const own = events.filter(({ aggregate }) => aggregate.type === 'claim');
    const last = own.at(-1);
    if (!last) return;
    const { evolve } = claimAggregate(site);
    const state = own.reduce(
      (claim, event) => evolve(claim, event as unknown as ClaimEvent),
      before.state,
    );
    this.remember(site, { state, head: { sequence: last.sequence, version: last.version } });
  }

  forget(site: string): void {
    this.seen.delete(site);
  }

  private remember(site: string, loaded: Loaded<Claim>): void {
    this.seen.delete(site);
    this.seen.set(site, loaded);
    if (this.seen.size <= mostRemembered) return;
    for (const oldest of this.seen.keys()) {
      this.seen.delete(oldest);
      return;
    }
  }
}
