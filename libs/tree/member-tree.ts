/** How the members of a segment without multicast pass a container on. */
export interface MemberTree {
  /** Children of the leader, and of each member. */
  readonly breadth: number;
  /** So many members, the first ones, have children. */
  readonly relays: number;
}

/** Where a member stands. */
export interface MemberPlace {
  /** Transfers from the leader to here. */
  readonly depth: number;
  /** Index of the member that it pulls from; none: the leader. */
  readonly parent?: number;
}

const leastBreadth = 2;
/** The announcement names them all, and is one datagram. */
const mostRelays = 500;
/** What a leader sends in a fraction of a second: a tree would only add its latency. */
const atOnceBytes = 16 * 1024 ** 2;

/**
 * The tree for a container, complete and level by level, so that what a leader sends does not grow
 * with the number of its members; none where all may as well pull from the leader.
 */
export function memberTree(members: number, containerBytes: number): MemberTree | undefined {
  const breadth = Math.max(leastBreadth, Math.ceil(members / mostRelays));
  if (members <= breadth || members * containerBytes <= atOnceBytes) return undefined;
  return { breadth, relays: Math.ceil((members - breadth) / breadth) };
}

/** @param index of the member, from 0 */
export function memberPlace(breadth: number, index: number): MemberPlace {
  const parent = parentOf(breadth, index);
  let depth = 1;
  for (let at = parent; at >= 0; at = parentOf(breadth, at)) depth++;
  return parent < 0 ? { depth } : { depth, parent };
}

/** -1: the leader. */
function parentOf(breadth: number, index: number): number {
  return Math.floor(index / breadth) - 1;
}
