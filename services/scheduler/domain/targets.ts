import { create } from '@bufbuild/protobuf';
import { type Membership, type RunTarget, RunTargetSchema } from '#libs/contracts/index.js';
import { matches, parseSelector } from './selector.js';

/** A server as groups see it. */
export interface Server {
  readonly name: string;
  readonly segment: string;
  /** Its segment's leader has it in its membership; otherwise it only enrolled. */
  readonly registered: boolean;
  readonly labels: ReadonlyMap<string, string>;
  /** Digest of the tree that it serves of the site in question; empty: none. */
  readonly served: string;
  /** Entries of that tree that are not as they were signed, as it registered; undefined: none. */
  readonly drifted?: number;
  /** What its own health check says of that tree, as it registered; empty: nothing. */
  readonly unhealthy?: string;
  /** Beginnings of the digests of other trees of the site that it has on disk. */
  readonly kept: readonly string[];
  /** As it registered. */
  readonly diskFreeBytes?: number;
  /** What its agent registered; undefined: it is not registered. */
  readonly agentType?: string;
  /** The run of its last switch, as it was reported. */
  readonly broughtBy?: string | undefined;
  /** When it last reported that an assignment failed; undefined: its last one did not. */
  readonly failedAtMs?: number | undefined;
}

/** The servers of a run. */
export interface Targets {
  /** Segments and the servers in them, both in the order of their names. */
  readonly bySegment: readonly RunTarget[];
  readonly registeredCount: number;
}

/**
 * The servers that at least one of the groups selects. "All" and selectors mean registered servers;
 * a server that a group names is a target even when it is not registered, and will be missed.
 */
export function membersOf(memberships: readonly Membership[], servers: Iterable<Server>): Server[] {
  const tests = memberships.map(selects);
  return [...servers].filter((server) => tests.some((test) => test(server)));
}

/** Those with these names; without names: all. */
export function among(servers: readonly Server[], names: readonly string[]): Server[] {
  if (names.length === 0) return [...servers];
  const wanted = new Set(names);
  return servers.filter(({ name }) => wanted.has(name));
}

export function targetsOf(servers: readonly Server[]): Targets {
  const bySegment = new Map<string, string[]>();
  for (const { segment, name } of servers) {
    const names = bySegment.get(segment);
    if (names) names.push(name);
    else bySegment.set(segment, [name]);
  }
  const targets = [...bySegment]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([segment, names]) => create(RunTargetSchema, { segment, nodes: names.sort() }));
  const registeredCount = servers.filter(({ registered }) => registered).length;
  return { bySegment: targets, registeredCount };
}

function selects({ membership }: Membership): (server: Server) => boolean {
  switch (membership.case) {
    case 'all':
      return ({ registered }) => registered;
    case 'nodes': {
      const names = new Set(membership.value.nodes);
      return ({ name }) => names.has(name);
    }
    case 'selector': {
      const selector = parseSelector(membership.value);
      return ({ registered, labels }) => registered && matches(selector, labels);
    }
    case undefined:
      return () => false;
  }
}
