import type { RecordedEvent } from '#libs/contracts/index.js';
import type { Loaded } from '#libs/event-log/aggregate.js';
import { type EventLog, noEvents } from '#libs/event-log/event-log.js';
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
  /** Sites of which others have appended to the claim: it is read on from what was seen. */
  private readonly outdated = new Set<string>();

  constructor(private readonly log: EventLog) {}

  async load(site: string): Promise<SeenClaim> {
    const known = this.seen.get(site);
    if (known && !this.outdated.has(site)) return { ...known, isRemembered: true };
    const { initial } = claimAggregate(site);
    const before = known ?? { state: initial, head: noEvents };
    const events = await this.log.read({ type: 'claim', id: site }, before.head.sequence);
    const loaded = after(site, before, events);
    this.remember(site, loaded);
    return { ...loaded, isRemembered: false };
  }

  /** Takes in what was appended after what was seen. */
  appended(site: string, before: Loaded<Claim>, events: readonly RecordedEvent[]): void {
    const own = events.filter(({ aggregate }) => aggregate.type === 'claim');
    const [first] = own;
    if (!first) return;
    if (first.version === before.head.version + 1) this.remember(site, after(site, before, own));
    // A repetition: another replica had appended it already, after what this one has not seen.
    else this.forget(site);
  }

  /** What was seen of it is not all any more. */
  forget(site: string): void {
    this.outdated.add(site);
  }

  private remember(site: string, loaded: Loaded<Claim>): void {
    const known = this.seen.get(site);
    if (known && known.head.sequence > loaded.head.sequence) return;
    this.outdated.delete(site);
    this.seen.delete(site);
    this.seen.set(site, loaded);
    if (this.seen.size <= mostRemembered) return;
    for (const oldest of this.seen.keys()) {
      this.seen.delete(oldest);
      this.outdated.delete(oldest);
      return;
    }
  }
}

function after(
  site: string,
  before: Loaded<Claim>,
  events: readonly RecordedEvent[],
): Loaded<Claim> {
  const { evolve } = claimAggregate(site);
  const last = events.at(-1);
  if (!last) return before;
  const state = events.reduce(
    (claim, event) => evolve(claim, event as unknown as ClaimEvent),
    before.state,
  );
  return { state, head: { sequence: last.sequence, version: last.version } };
}
