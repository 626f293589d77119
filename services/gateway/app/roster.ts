import type { RecordedEvent } from '#libs/contracts/index.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { LogView } from '#libs/event-log/log-view.js';

/** Segment to node to `address:port`. */
type Addresses = Map<string, Map<string, string>>;

/** Where enrolled agents hear unicast control frames, by segment; follows the log once asked. */
export class Roster {
  private view?: Promise<LogView<Addresses>>;

  constructor(private readonly log: EventLog) {}

  async peersOf(segment: string): Promise<ReadonlyMap<string, string>> {
    this.view ??= LogView.start<Addresses>(this.log, {
      aggregateTypes: ['node'],
      initial: new Map(),
      evolve,
    });
    const { state } = await this.view;
    return state.get(segment) ?? new Map();
  }

  /** Called by the framework when the gateway stops. */
  async onModuleDestroy(): Promise<void> {
    await (await this.view)?.close();
  }
}

/** The view is the only owner of the maps, so they change in place. */
function evolve(addresses: Addresses, event: RecordedEvent): Addresses {
  if (event.type !== 'NodeEnrolled') return addresses;
  const { node, segment, controlAddress } = event.data as RecordedEvent<'NodeEnrolled'>['data'];
  for (const nodes of addresses.values()) nodes.delete(node);
  if (controlAddress === '') return addresses;
  const nodes = addresses.get(segment) ?? new Map<string, string>();
  addresses.set(segment, nodes.set(node, controlAddress));
  return addresses;
}
