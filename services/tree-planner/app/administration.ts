import type { Clock } from '#libs/clock/clock.js';
import type {
  ContainerSource,
  FixTree,
  LocateSegment,
  PeersRequest,
  ReleaseTree,
  RenameSegment,
  TreeQuery,
  TreeView,
} from '#libs/contracts/index.js';
import { type Aggregate, execute } from '#libs/event-log/aggregate.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { type Caller, commandContext } from '#libs/nest-jetstream/context.js';
import { origin } from '#libs/tree/hand-out.js';
import type { HandOutConfig } from '../config.js';
import { SegmentNameTaken, UnknownSegment } from '../domain/errors.js';
import { type Origins, originOf, peersToProbe } from '../domain/reach.js';
import { segmentAggregate } from '../domain/segment.js';
import { everySite, treePolicyAggregate } from '../domain/tree-policy.js';
import { treeView } from '../domain/tree-view.js';
import type { View } from './ports.js';

interface Accepted {
  readonly id: string;
  readonly sequence: number;
}

/** What administrators say of segments and trees, and what is told of both. */
export class Administration {
  constructor(
    private readonly log: EventLog,
    private readonly view: View,
    private readonly clock: Clock,
    private readonly origins: Origins,
    private readonly config: HandOutConfig,
  ) {}

  /** @throws UnknownSegment, InvalidSegmentName, SegmentNameTaken */
  rename({ segment: called, name }: RenameSegment, caller: Caller): Promise<Accepted> {
    const segment = this.segmentCalled(called);
    const { names, segments } = this.view.state;
    const other = [...segments.keys()].find(
      (each) => each !== segment && (each === name || names.get(each) === name),
    );
    if (name !== '' && other) throw new SegmentNameTaken(name, other);
    return this.change(segmentAggregate, segment, { type: 'rename', segment, name }, caller);
  }

  /** @throws UnknownSegment, InvalidPlace */
  locate(command: LocateSegment, caller: Caller): Promise<Accepted> {
    const { location, timeZone, region } = command;
    const segment = this.segmentCalled(command.segment);
    const place = { location, timeZone, region };
    return this.change(segmentAggregate, segment, { type: 'locate', segment, ...place }, caller);
  }

  /** @throws UnknownSegment, CircularTree, InvalidOrder */
  fix(command: FixTree, caller: Caller): Promise<Accepted> {
    const site = command.site || everySite;
    const order = command.order.map((called) => this.segmentCalled(called));
    const sources = Object.fromEntries(
      Object.entries(command.sources).map(([segment, source]) => [
        this.segmentCalled(segment),
        source === origin ? origin : this.segmentCalled(source),
      ]),
    );
    return this.change(treePolicyAggregate, site, { type: 'fix', site, order, sources }, caller);
  }

  release({ site: named, orderBy }: ReleaseTree, caller: Caller): Promise<Accepted> {
    const site = named || everySite;
    return this.change(treePolicyAggregate, site, { type: 'release', site, orderBy }, caller);
  }

  tree(query: TreeQuery): TreeView {
    return treeView(query, this.view.state, this.origins, this.config);
  }

  /** Whom a leader probes: every origin, and a few other leaders. */
  peers({ segment }: PeersRequest): { peers: Omit<ContainerSource, '$typeName'>[] } {
    const { state } = this.view;
    const origins = [...this.origins].map(([region, url]) => ({ name: originOf(region), url }));
    const leaders = peersToProbe(state, segment, this.origins).map((name) => {
      return { name, url: state.segments.get(name)?.httpUrl ?? '' };
    });
    return { peers: [...origins, ...leaders] };
  }

  /** By its own name or by the one it was given. @throws UnknownSegment */
  private segmentCalled(called: string): string {
    const { segments, names } = this.view.state;
    if (segments.has(called)) return called;
    const found = [...names].find(([, name]) => name === called)?.[0];
    if (found === undefined) throw new UnknownSegment(called);
    return found;
  }

  private async change<State, Command>(
    aggregate: Aggregate<State, Command>,
    id: string,
    command: Command,
    caller: Caller,
  ): Promise<Accepted> {
    const context = commandContext(caller, caller.commandId);
    const nowMs = this.clock.nowMs();
    const events = await execute(this.log, aggregate, id, command, context, nowMs);
    const sequence = events.at(-1)?.sequence ?? 0;
    await this.view.reaches(sequence);
    return { id, sequence };
  }
}
