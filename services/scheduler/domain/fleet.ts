import {
  type LiveVersion,
  type Membership,
  NodeStatus,
  type RecordedEvent,
  type Register,
  type TimeWindow,
} from '#libs/contracts/index.js';
import { followOpenRuns, type OpenRuns } from './open-runs.js';
import type { Server } from './targets.js';

/** A group as `RequestRun` needs it. */
export interface GroupEntry {
  readonly name: string;
  readonly site: string;
  readonly membership: Membership;
  /** When its servers may be changed; none: at any time. */
  readonly windows?: readonly TimeWindow[];
}

interface Enrolment {
  readonly segment: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What a member registered of itself. */
interface Member {
  readonly agentType: string;
  readonly labels: Readonly<Record<string, string>>;
  /** By site. */
  readonly live: ReadonlyMap<string, LiveVersion>;
  readonly diskFreeBytes: number;
}

interface Segment {
  readonly leader: string;
  readonly members: ReadonlyMap<string, Member>;
  readonly changedAt: number;
}

/** A tree that a server reported to have switched to. */
interface Switched {
  readonly runId: string;
  readonly tree: string;
  readonly at: number;
  readonly atMs: number;
}

/** What the log says of groups, servers, what they serve, and open runs. */
export interface Fleet {
  readonly groups: ReadonlyMap<string, GroupEntry>;
  readonly enrolled: ReadonlyMap<string, Enrolment>;
  /** Segment -> its registered members. */
  readonly registered: ReadonlyMap<string, Segment>;
  /** Site -> segment -> server. */
  readonly switched: ReadonlyMap<string, ReadonlyMap<string, ReadonlyMap<string, Switched>>>;
  /** Site -> digest of the tree that the last commit made live. */
  readonly liveTrees: ReadonlyMap<string, string>;
  /** Server -> when it last reported that an assignment failed. */
  readonly failed: ReadonlyMap<string, number>;
  readonly openRuns: OpenRuns;
  /** Site -> its newest run. */
  readonly lastRuns: Map<string, string>;
}

export const fleetAggregates = [
  'group',
  'node',
  'segment',
  'run',
  'run-in-segment',
  'outcome',
  'shadow',
  'rollout',
] as const;

/** A fleet of which nothing is known; of each view its own, for parts of it change in place. */
export function newFleet(): Fleet {
  return {
    groups: new Map(),
    enrolled: new Map(),
    registered: new Map(),
    switched: new Map(),
    liveTrees: new Map(),
    failed: new Map(),
    openRuns: new Map(),
    lastRuns: new Map(),
  };
}

/** The fleet after one more event; events that do not concern it change nothing. */
export function evolveFleet(fleet: Fleet, happened: RecordedEvent): Fleet {
  const after = evolve(fleet, happened);
  followOpenRuns(fleet.openRuns, happened);
  return after;
}

function evolve(fleet: Fleet, happened: RecordedEvent): Fleet {
  switch (happened.type) {
    case 'GroupCreated': {
      const { group: name, site, membership, maintenance } = happened.data;
      if (!membership) return fleet;
      const windows = maintenance?.windows ?? [];
      return { ...fleet, groups: put(fleet.groups, name, { name, site, membership, windows }) };
    }
    case 'GroupEdited': {
      const { group: name, membership, maintenance } = happened.data;
      const known = fleet.groups.get(name);
      if (!known || !membership) return fleet;
      const windows = maintenance?.windows ?? known.windows ?? [];
      return { ...fleet, groups: put(fleet.groups, name, { ...known, membership, windows }) };
    }
    case 'GroupDeleted':
      return { ...fleet, groups: without(fleet.groups, happened.data.group) };
    case 'NodeEnrolled': {
      const { node, segment, labels } = happened.data;
      return { ...fleet, enrolled: put(fleet.enrolled, node, { segment, labels }) };
    }
    case 'NodeRemoved': {
      const { node } = happened.data;
      const { enrolled, failed } = fleet;
      return { ...fleet, enrolled: without(enrolled, node), failed: without(failed, node) };
    }
    case 'SegmentChanged': {
      const { segment, leader, members } = happened.data;
      const byName = new Map(members.map((member) => [member.node, memberOf(member)]));
      const entry = { leader, members: byName, changedAt: happened.sequence };
      return { ...fleet, registered: put(fleet.registered, segment, entry) };
    }
    case 'SegmentPrepared':
      return { ...fleet, failed: failuresAfter(fleet.failed, happened) };
    case 'SegmentSwitched':
      return {
        ...withSwitched(fleet, happened),
        failed: failuresAfter(fleet.failed, happened),
      };
    case 'ShadowMoved': {
      const { site, treeDigest } = happened.data;
      return { ...fleet, liveTrees: put(fleet.liveTrees, site, hex(treeDigest)) };
    }
    case 'RunRequested':
      fleet.lastRuns.set(happened.data.site, happened.data.runId);
      return fleet;
    default:
      return fleet;
  }
}

export function groupsOf(fleet: Fleet, site: string): GroupEntry[] {
  return [...fleet.groups.values()].filter((group) => group.site === site);
}

/** Segment -> its leader, of these segments. */
export function leadersOf(fleet: Fleet, segments: Iterable<string>): Map<string, string> {
  const leaders = new Map<string, string>();
  for (const segment of segments) {
    const leader = fleet.registered.get(segment)?.leader;
    if (leader) leaders.set(segment, leader);
  }
  return leaders;
}

/** All registered servers, then those that only enrolled, and what they serve of a site. */
export function* serversOf(fleet: Fleet, site: string, nowMs: number): Iterable<Server> {
  const seen = new Set<string>();
  for (const [segment, { members }] of fleet.registered) {
    for (const [name, member] of members) {
      if (seen.has(name)) continue;
      seen.add(name);
      // What a member registers wins.
      const given = { ...fleet.enrolled.get(name)?.labels, ...member.labels };
      yield {
        name,
        segment,
        registered: true,
        labels: labelsOf(name, segment, given),
        ...servedBy(fleet, site, segment, name, nowMs),
        kept: (member.live.get(site)?.keptTrees ?? []).map(hex),
        diskFreeBytes: member.diskFreeBytes,
        agentType: member.agentType,
        failedAtMs: fleet.failed.get(name),
        broughtBy: switchedBy(fleet, site, segment, name),
      };
    }
  }
  for (const [name, { segment, labels }] of fleet.enrolled) {
    if (seen.has(name) || segment === '') continue;
    const known = { labels: labelsOf(name, segment, labels), served: '', kept: [] };
    const broughtBy = switchedBy(fleet, site, segment, name);
    yield { name, segment, registered: false, ...known, broughtBy };
  }
}

/** How much later than its report of a switch a server's registration may still tell the old. */
export const registrationLagMs = 5_000;

/**
 * The tree that a server serves, empty for none, and what is wrong with it.
 * Registrations and reports of switches overtake each other: for a moment after a switch, the
 * report counts.
 */
function servedBy(fleet: Fleet, site: string, segment: string, name: string, nowMs: number) {
  const entry = fleet.registered.get(segment);
  const version = entry?.members.get(name)?.live.get(site);
  const claimed = version ? hex(version.treeDigest) : '';
  const switched = fleet.switched.get(site)?.get(segment)?.get(name);
  const isNewer = switched && switched.at > (entry?.changedAt ?? 0);
  const counts = isNewer || (switched && nowMs - switched.atMs < registrationLagMs);
  const served = counts ? switched.tree : claimed;
  if (served !== claimed) return { served, drifted: 0, unhealthy: '' };
  return { served, drifted: version?.drifted ?? 0, unhealthy: version?.unhealthy ?? '' };
}

function switchedBy(fleet: Fleet, site: string, segment: string, name: string) {
  return fleet.switched.get(site)?.get(segment)?.get(name)?.runId;
}

function withSwitched(fleet: Fleet, happened: RecordedEvent<'SegmentSwitched'>): Fleet {
  const { runId, segment, nodes } = happened.data;
  const site = fleet.openRuns.get(runId)?.site;
  if (site === undefined) return fleet;
  const bySegment = fleet.switched.get(site) ?? new Map();
  const inSegment = new Map<string, Switched>(bySegment.get(segment));
  for (const { node, status, treeDigest } of nodes) {
    if (status !== NodeStatus.SWITCHED) continue;
    const { sequence: at, timeMs: atMs } = happened;
    inSegment.set(node, { runId, tree: hex(treeDigest), at, atMs });
  }
  const changed = put(bySegment, segment, inSegment);
  return { ...fleet, switched: put(fleet.switched, site, changed) };
}

/** The same map where nothing is new. */
function failuresAfter(
  failed: ReadonlyMap<string, number>,
  { data, timeMs }: RecordedEvent<'SegmentPrepared' | 'SegmentSwitched'>,
): ReadonlyMap<string, number> {
  let after: Map<string, number> | undefined;
  for (const { node, status } of data.nodes) {
    const isFailed = status === NodeStatus.FAILED;
    if (!isFailed && !failed.has(node)) continue;
    after ??= new Map(failed);
    if (isFailed) after.set(node, timeMs);
    else after.delete(node);
  }
  return after ?? failed;
}

function memberOf({ labels, liveVersions, capacity, agentType }: Register): Member {
  return {
    agentType,
    labels,
    live: new Map(liveVersions.map((version) => [version.site, version])),
    diskFreeBytes: Number(capacity?.diskFreeBytes ?? 0n),
  };
}

/** `name` and `segment` are labels of every server. */
function labelsOf(
  name: string,
  segment: string,
  given: Readonly<Record<string, string>>,
): ReadonlyMap<string, string> {
  return new Map(Object.entries({ ...given, name, segment }));
}

function put<V>(map: ReadonlyMap<string, V>, name: string, value: V): ReadonlyMap<string, V> {
  return new Map(map).set(name, value);
}

function without<V>(map: ReadonlyMap<string, V>, name: string): ReadonlyMap<string, V> {
  const rest = new Map(map);
  rest.delete(name);
  return rest;
}

function hex(digest: Uint8Array): string {
  return Buffer.from(digest).toString('hex');
}
