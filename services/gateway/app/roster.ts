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
  /** Of servers that have left for good, base64. */
  readonly removedKeys: Set<string>;
  /** Node that has left for good to its last segment. */
  readonly leftSegments: Map<string, string>;
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

  /** Where a node is enrolled or, once removed, was; undefined: nowhere ever. */
  async segmentOf(node: string): Promise<string | undefined> {
    const { nodes, leftSegments } = await this.enrolments();
    return nodes.get(node)?.segment ?? leftSegments.get(node);
  }

  /** Whether it is the key, SPKI DER, of a server that has left for good. */
  async isRemoved(publicKey: Uint8Array): Promise<boolean> {
    return (await this.enrolments()).removedKeys.has(base64(publicKey));
  }

  /** Called by the framework when the gateway stops. */
  async onModuleDestroy(): Promise<void> {
    await (await this.view)?.close();
  }

  private async enrolments(): Promise<Enrolments> {
    this.view ??= LogView.start<Enrolments>(this.log, {
      aggregateTypes: ['node'],
      initial: nobody(),
      evolve,
    });
    return (await this.view).state;
  }
}

function nobody(): Enrolments {
  return {
    nodes: new Map(),
    segments: new Map(),
    removedKeys: new Set(),
    leftSegments: new Map(),
  };
}

/** The view is the only owner of the maps, so they change in place. */
function evolve(enrolments: Enrolments, event: RecordedEvent): Enrolments {
  const { nodes, segments, removedKeys, leftSegments } = enrolments;
  if (event.type === 'NodeEnrolled') {
    const { node, segment, publicKey, controlAddress } = event.data;
    segments.get(nodes.get(node)?.segment ?? '')?.delete(node);
    nodes.set(node, { segment, publicKey, controlAddress });
    segments.set(segment, (segments.get(segment) ?? new Set()).add(node));
  }
  if (event.type === 'NodeRemoved') {
    const { node } = event.data;
    const { segment = '', publicKey } = nodes.get(node) ?? {};
    if (publicKey) removedKeys.add(base64(publicKey));
    if (segment) leftSegments.set(node, segment);
    segments.get(segment)?.delete(node);
    nodes.delete(node);
  }
  return enrolments;
}

function base64(key: Uint8Array): string {
  return Buffer.from(key).toString('base64');
}
