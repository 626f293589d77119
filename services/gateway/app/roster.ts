import type { RecordedEvent } from '#libs/contracts/index.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { LogView } from '#libs/event-log/log-view.js';

interface Enrolled {
  readonly segment: string;
  readonly publicKey: Uint8Array;
  /** `address:port`; empty: it hears no unicast. */
  readonly controlAddress: string;
}

interface Enrolments {
  readonly nodes: Map<string, Enrolled>;
  /** Segment to its nodes. */
  readonly segments: Map<string, Set<string>>;
}

/** Who is enrolled, and where they hear unicast control frames; follows the log once asked. */
export class Roster {
  private view?: Promise<LogView<Enrolments>>;

  constructor(private readonly log: EventLog) {}

  /** Node to `address:port`. */
  async peersOf(segment: string): Promise<ReadonlyMap<string, string>> {
    const { nodes, segments } = await this.enrolments();
    const peers = [...(segments.get(segment) ?? [])].map(
      (node) => [node, nodes.get(node)?.controlAddress ?? ''] as const,
    );
    return new Map(peers.filter(([, address]) => address !== ''));
  }

  /** The key that a node is enrolled with, SPKI DER. */
  async keyOf(node: string): Promise<Uint8Array | undefined> {
    return (await this.enrolments()).nodes.get(node)?.publicKey;
  }

  /** Called by the framework when the gateway stops. */
  async onModuleDestroy(): Promise<void> {
    await (await this.view)?.close();
  }

  private async enrolments(): Promise<Enrolments> {
    this.view ??= LogView.start<Enrolments>(this.log, {
      aggregateTypes: ['node'],
      initial: { nodes: new Map(), segments: new Map() },
      evolve,
    });
    return (await this.view).state;
  }
}

/** The view is the only owner of the maps, so they change in place. */
function evolve(enrolments: Enrolments, event: RecordedEvent): Enrolments {
  if (event.type !== 'NodeEnrolled') return enrolments;
  const { nodes, segments } = enrolments;
  const { node, segment, publicKey, controlAddress } = event.data as EnrolledEvent;
  segments.get(nodes.get(node)?.segment ?? '')?.delete(node);
  nodes.set(node, { segment, publicKey, controlAddress });
  segments.set(segment, (segments.get(segment) ?? new Set()).add(node));
  return enrolments;
}

type EnrolledEvent = RecordedEvent<'NodeEnrolled'>['data'];
