import type { Clock } from '#libs/clock/clock.js';
import type {
  CreateGroup,
  CreateSite,
  DeleteGroup,
  EditGroup,
  RecordedEvent,
  RequestRun,
} from '#libs/contracts/index.js';
import { execute, load } from '#libs/event-log/aggregate.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import type { LogView } from '#libs/event-log/log-view.js';
import { type Caller, commandContext, contextOf } from '#libs/nest-jetstream/context.js';
import type { SchedulerConfig } from '../config.js';
import { UnknownSite } from '../domain/errors.js';
import { automaticActor, type Fleet, groupsOf, openRunsOf, serversOf } from '../domain/fleet.js';
import { type GroupCommand, groupAggregate } from '../domain/group.js';
import { type RequestFacts, type RunStatus, runAggregate } from '../domain/run.js';
import { siteAggregate } from '../domain/site.js';
import { membersOf } from '../domain/targets.js';
import { siteVersions } from '../domain/versions.js';

/** What a command did: the aggregate, and the log sequence of its last event; 0: nothing. */
export interface Accepted {
  readonly id: string;
  readonly sequence: number;
}

type RunOutcome = RecordedEvent<
  'RunCompleted' | 'RunPartiallyCompleted' | 'RunFailed' | 'RunAborted'
>;

type FleetView = Pick<LogView<Fleet>, 'state' | 'reaches'>;

/**
 * Commands of the scheduler. A command sees what every command before it did: sites are loaded from
 * the log, and a command that changes groups or runs returns when the fleet's view shows it.
 */
export class Scheduler {
  private lastRequest: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly log: EventLog,
    private readonly fleet: FleetView,
    private readonly clock: Clock,
    private readonly config: SchedulerConfig,
  ) {}

  /** @throws InvalidName, InvalidStaging, SiteExists */
  async createSite(command: CreateSite, caller: Caller): Promise<Accepted> {
    const context = commandContext(caller, caller.commandId);
    const { site } = command;
    const nowMs = this.clock.nowMs();
    return accepted(site, await execute(this.log, siteAggregate, site, command, context, nowMs));
  }

  /** @throws UnknownSite, GroupExists, InvalidName, InvalidMembership, InvalidSelector */
  async createGroup(data: CreateGroup, caller: Caller): Promise<Accepted> {
    const { state } = await load(this.log, siteAggregate, data.site);
    if (state.situation === 'absent') throw new UnknownSite(data.site);
    return this.changeGroup({ type: 'CreateGroup', data }, caller);
  }

  /** @throws UnknownGroup, InvalidMembership, InvalidSelector */
  editGroup(data: EditGroup, caller: Caller): Promise<Accepted> {
    return this.changeGroup({ type: 'EditGroup', data }, caller);
  }

  /** @throws UnknownGroup */
  deleteGroup(data: DeleteGroup, caller: Caller): Promise<Accepted> {
    return this.changeGroup({ type: 'DeleteGroup', data }, caller);
  }

  /**
   * One request at a time, so that of two for the same site the second sees the first.
   * @throws InvalidRunId, RunExists, UnknownSite, RunConflict, NoTargets, what `planJob` throws
   */
  requestRun(data: RequestRun, caller: Caller): Promise<Accepted> {
    const request = this.lastRequest.then(() => this.startRun(data, caller));
    this.lastRequest = request.catch(() => undefined);
    return request;
  }

  /** Releases what a run held when its outcome is known. */
  async closeRun(outcome: RunOutcome): Promise<void> {
    const { runId } = outcome.data;
    const command = { type: 'close', runId, status: statusOf(outcome) } as const;
    const context = contextOf(outcome, 'scheduler');
    await execute(this.log, runAggregate, runId, command, context, this.clock.nowMs());
  }

  private async startRun(data: RequestRun, caller: Caller): Promise<Accepted> {
    const { runId } = data;
    const facts = await this.factsFor(data, caller);
    const command = { type: 'request', data, facts } as const;
    const context = commandContext(caller, runId);
    const nowMs = this.clock.nowMs();
    const events = await execute(this.log, runAggregate, runId, command, context, nowMs);
    return this.shown(accepted(runId, events));
  }

  private async factsFor({ site }: RequestRun, caller: Caller): Promise<RequestFacts> {
    const { state } = await load(this.log, siteAggregate, site);
    const openRunId = await this.openRunOf(site, caller);
    const nowMs = this.clock.nowMs();
    const groups = groupsOf(this.fleet.state, site);
    const servers = [...serversOf(this.fleet.state, site, nowMs)];
    const memberships = groups.map(({ membership }) => membership);
    const members = membersOf(memberships, servers);
    const isMember = new Set(members);
    const events = await Promise.all([
      this.log.read({ type: 'shadow', id: site }),
      this.log.read({ type: 'checkpoint', id: site }),
    ]);
    return {
      ...this.config,
      site: state.situation === 'created' ? state.settings : undefined,
      groups: groups.map(({ name }) => name).sort(),
      versions: siteVersions(events.flat()),
      members,
      others: servers.filter((server) => server.registered && !isMember.has(server)),
      openRunId,
      nowMs,
    };
  }

  /**
   * Asks the log whether a run is over: its outcome may be known before the view shows it. A run
   * that nobody asked for gives way to one that somebody asks for.
   */
  private async openRunOf(site: string, caller: Caller): Promise<string | undefined> {
    for (const runId of openRunsOf(this.fleet.state, site)) {
      const outcome = await this.log.read({ type: 'outcome', id: runId });
      if (outcome.some(isOutcome)) continue;
      const isAutomatic = this.fleet.state.openRuns.get(runId)?.automatic ?? false;
      if (!isAutomatic || caller.actor === automaticActor) return runId;
      const command = { type: 'cancel', runId, reason: 'another run was asked for' } as const;
      const context = { ...commandContext(caller, runId), actor: automaticActor };
      await execute(this.log, runAggregate, runId, command, context, this.clock.nowMs());
    }
    return undefined;
  }

  private async changeGroup(command: GroupCommand, caller: Caller): Promise<Accepted> {
    const { group } = command.data;
    const context = commandContext(caller, caller.commandId);
    const nowMs = this.clock.nowMs();
    const events = await execute(this.log, groupAggregate, group, command, context, nowMs);
    return this.shown(accepted(group, events));
  }

  private async shown(done: Accepted): Promise<Accepted> {
    await this.fleet.reaches(done.sequence);
    return done;
  }
}

function accepted(id: string, events: readonly RecordedEvent[]): Accepted {
  return { id, sequence: events.at(-1)?.sequence ?? 0 };
}

const endings: ReadonlySet<string> = new Set<RunOutcome['type']>([
  'RunCompleted',
  'RunPartiallyCompleted',
  'RunFailed',
  'RunAborted',
]);

function isOutcome({ type }: RecordedEvent): boolean {
  return endings.has(type);
}

function statusOf(outcome: RunOutcome): RunStatus {
  switch (outcome.type) {
    case 'RunCompleted':
      return 'completed';
    case 'RunPartiallyCompleted':
      return 'partial';
    case 'RunFailed':
      return 'failed';
    case 'RunAborted':
      return 'aborted';
  }
}
