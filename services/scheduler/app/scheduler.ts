import type { Clock } from '#libs/clock/clock.js';
import type {
  ConfigureSite,
  CreateGroup,
  CreateSite,
  DeleteGroup,
  EditGroup,
  EditSite,
  RecordedEvent,
} from '#libs/contracts/index.js';
import { execute, load } from '#libs/event-log/aggregate.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import type { LogView } from '#libs/event-log/log-view.js';
import { type Caller, commandContext } from '#libs/nest-jetstream/context.js';
import { UnknownSite } from '../domain/errors.js';
import type { Fleet } from '../domain/fleet.js';
import { type GroupCommand, groupAggregate } from '../domain/group.js';
import { type SiteCommand, siteAggregate } from '../domain/site.js';
import type { Accepted } from './runs.js';

type FleetView = Pick<LogView<Fleet>, 'state' | 'reaches'>;

/**
 * Commands on sites and groups. A command sees what every command before it did: sites are loaded
 * from the log, and a command that changes groups returns when the fleet's view shows it.
 */
export class Scheduler {
  constructor(
    private readonly log: EventLog,
    private readonly fleet: FleetView,
    private readonly clock: Clock,
  ) {}

  /** @throws InvalidName, InvalidStaging, SiteExists */
  createSite(data: CreateSite, caller: Caller): Promise<Accepted> {
    return this.changeSite({ type: 'CreateSite', data }, caller);
  }

  /** Runs that have begun go on with what they began with. @throws UnknownSite, InvalidStaging */
  editSite(data: EditSite, caller: Caller): Promise<Accepted> {
    return this.changeSite({ type: 'EditSite', data }, caller);
  }

  /** @throws UnknownSite, InvalidConfiguration */
  configureSite(data: ConfigureSite, caller: Caller): Promise<Accepted> {
    const nowMs = this.clock.nowMs();
    return this.changeSite({ type: 'ConfigureSite', data, nowMs }, caller);
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

  private async changeSite(command: SiteCommand, caller: Caller): Promise<Accepted> {
    const { site } = command.data;
    const context = commandContext(caller, caller.commandId);
    const nowMs = this.clock.nowMs();
    return accepted(site, await execute(this.log, siteAggregate, site, command, context, nowMs));
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
