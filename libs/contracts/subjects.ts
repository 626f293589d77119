import type { AggregateId, AggregateType } from './recorded-event.js';

/** Fixed for the life of a log: the last token of every aggregate's subject. */
export const partitionCount = 64;

/** What a leader reports: its segment, an assignment received, its members' outcome, its links. */
export type IngressKind = 'segment' | 'received' | 'assignment' | 'links';

/** Subjects of the streams and of core NATS. */
export const subjects = {
  /** Domain events: `ev.<aggregate type>.<aggregate id>.<partition>`. */
  events: 'ev.>',
  aggregate: ({ type, id }: AggregateId) =>
    `ev.${type}.${subjectToken(id)}.${partitionOf(type, id)}`,
  eventsOfType: (type: AggregateType) => `ev.${type}.>`,
  eventsOfPartition: (partition: number) => `ev.*.*.${partition}`,
  /** Reports of leaders: each publishes below its own name only. */
  ingress: 'ingress.>',
  ingressOf: (node: string, kind: IngressKind) => `ingress.${subjectToken(node)}.${kind}`,
  ingressOfKind: (kind: IngressKind) => `ingress.*.${kind}`,
  /** Events from outside that jobs wait for: `trigger.<type>`. */
  triggers: 'trigger.>',
  /** A command or query to a service: NATS request, one replica answers. */
  command: (service: string, name: string) => `cmd.${service}.${name}`,
  /** Requests of one agent to a service; `*`: of any agent. */
  agentRequest: (service: string, name: string, node: string) =>
    `agentreq.${service}.${name}.${node === '*' ? node : subjectToken(node)}`,
  /** Where an agent hears answers: only it may. */
  agentInbox: (node: string) => `_INBOX_agent.${subjectToken(node)}`,
  /** Notifications to one agent. */
  agentNotification: (node: string) => `agent.${subjectToken(node)}.notification`,
  /** Asks a leader how its segment is. */
  segmentStatus: (node: string) => `agent.${subjectToken(node)}.segment`,
  /** Asks a staging server for its tree of a site. */
  stagingOrder: (server: string) => `staging.${subjectToken(server)}`,
  /** Asks a staging server whether that tree has changed. */
  stagingLook: (server: string) => `staging.${subjectToken(server)}.look`,
} as const;

/** What an agent may publish on and subscribe to: its own subjects only. */
export function subjectsOfAgent(node: string) {
  return {
    publish: [`ingress.${subjectToken(node)}.>`, subjects.agentRequest('*', '*', node)],
    subscribe: [`agent.${subjectToken(node)}.>`, `${subjects.agentInbox(node)}.>`],
  };
}

/** The agent whose request came on a subject; `undefined`: it is not one of an agent's. */
export function agentAsking(subject: string): string | undefined {
  const [root, , , token] = subject.split('.');
  return root === 'agentreq' && token ? fromSubjectToken(token) : undefined;
}

/** Encodes a name as one subject token: letters, digits, `-` and `_` stay, others become `=XX`. */
export function subjectToken(name: string): string {
  if (name === '') return '=';
  return name.replace(/[^A-Za-z0-9_-]/gu, (character) =>
    [...Buffer.from(character, 'utf8')]
      .map((byte) => `=${byte.toString(16).padStart(2, '0')}`)
      .join(''),
  );
}

/** Reverses `subjectToken`. */
export function fromSubjectToken(token: string): string {
  if (token === '=') return '';
  const bytes = token.replace(/=([0-9a-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** The partition of an aggregate: FNV-1a (32 bit) of `type.id`, modulo `partitionCount`. */
export function partitionOf(type: AggregateType, id: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(`${type}.${id}`, 'utf8')) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  return hash % partitionCount;
}

/** Aggregates of a run whose own id does not tell which. */
export const namesNoRun: ReadonlySet<string> = new Set<AggregateType>([
  'assignment',
  'distribution',
]);

/**
 * The run that an event belongs to, by its aggregate where that is one of a run; another run may
 * have caused it. `undefined`: it belongs to none.
 */
export function runOfAggregate(
  type: AggregateType,
  id: string,
  correlationId: string,
): string | undefined {
  if (namesNoRun.has(type)) return correlationId;
  switch (type) {
    case 'run':
    case 'changeset':
    case 'outcome':
      return id;
    case 'run-in-segment':
      return id.slice(0, id.indexOf('/'));
    default:
      return undefined;
  }
}

/**
 * The partition by which read models share an event: all that happens in a run falls to the
 * partition of the run, so that one writer has all of its rows; anything else to its aggregate's.
 */
export function partitionOfRows(type: AggregateType, id: string, correlationId: string): number {
  const run = runOfAggregate(type, id, correlationId);
  return run === undefined ? partitionOf(type, id) : partitionOf('run', run);
}
