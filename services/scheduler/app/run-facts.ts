import type { Clock } from '#libs/clock/clock.js';
import type { RequestRun } from '#libs/contracts/index.js';
import { load } from '#libs/event-log/aggregate.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import type { LogView } from '#libs/event-log/log-view.js';
import type { SchedulerConfig } from '../config.js';
import type { BeginFacts } from '../domain/begin.js';
import { type Fleet, groupsOf, leadersOf, serversOf } from '../domain/fleet.js';
import { siteAggregate } from '../domain/site.js';
import { membersOf, type Server } from '../domain/targets.js';
import { siteVersions } from '../domain/versions.js';

/** Asks leaders who is there. */
export interface Reachability {
  /** Servers that can be reached now. @param leaders segment -> its leader */
  reachable(leaders: ReadonlyMap<string, string>): Promise<ReadonlySet<string>>;
}

/** What a run is judged by that does not change with the claim. */
export type RunFacts = Omit<
  BeginFacts,
  'claim' | 'before' | 'automatic' | 'requestedAtMs' | 'budget'
>;

/** Gathers what the log and the leaders say about a site and its servers. */
export class FactsGatherer {
  constructor(
    private readonly log: EventLog,
    private readonly fleet: Pick<LogView<Fleet>, 'state'>,
    private readonly clock: Clock,
    private readonly config: SchedulerConfig,
    private readonly reachability: Reachability,
  ) {}

  async gather({ site, terms }: RequestRun): Promise<RunFacts> {
    const [{ state }, ...events] = await Promise.all([
      load(this.log, siteAggregate, site),
      this.log.read({ type: 'shadow', id: site }),
      this.log.read({ type: 'checkpoint', id: site }),
    ]);
    const nowMs = this.clock.nowMs();
    const ofSite = groupsOf(this.fleet.state, site);
    const wanted = new Set(terms?.groups);
    const taking = wanted.size === 0 ? ofSite : ofSite.filter(({ name }) => wanted.has(name));
    const servers = [...serversOf(this.fleet.state, site, nowMs)];
    const members = membersOf(
      taking.map(({ membership }) => membership),
      servers,
    );
    const isMember = new Set(members);
    // Who is away is missed, and tried again.
    const isExpired = ({ broughtBy }: Server) => terms?.expiryOf && broughtBy === terms.expiryOf;
    const segments = new Set(members.map(({ segment }) => segment));
    const { prepareTimeoutMs, switchTimeoutMs } = this.config;
    return {
      ...{ prepareTimeoutMs, switchTimeoutMs },
      site: state.situation === 'created' ? state.settings : undefined,
      groups: taking,
      versions: siteVersions(events.flat()),
      members,
      others: servers.filter(
        (server) => !isMember.has(server) && (server.registered || isExpired(server)),
      ),
      reachable: terms?.policies?.quorum
        ? await this.reachability.reachable(leadersOf(this.fleet.state, segments))
        : new Set(),
      nowMs,
    };
  }
}
