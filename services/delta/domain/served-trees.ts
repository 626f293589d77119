import { NodeStatus, type RecordedEvent } from '#libs/contracts/index.js';

/** Which trees servers serve, as far as the log tells: segment -> server -> site -> tree digest. */
export type ServedTrees = ReadonlyMap<string, ReadonlyMap<string, ReadonlyMap<string, string>>>;

export const servedTreesAggregates = ['node', 'segment', 'run', 'run-in-segment'] as const;

interface State {
  readonly served: ServedTrees;
  /** Site by run: reports of switches name the run only. */
  readonly sites: ReadonlyMap<string, string>;
}

export const nothingServed: State = { served: new Map(), sites: new Map() };

/**
 * Registrations tell all that a server has live; reports of switches come before the next
 * registration. A segment that is gone for the moment still counts: its servers come back, unless
 * they are removed.
 */
export function evolveServed(state: State, happened: RecordedEvent): State {
  switch (happened.type) {
    case 'RunStarted': {
      const { runId, site } = happened.data;
      return { ...state, sites: new Map(state.sites).set(runId, site) };
    }
    case 'RunClosed': {
      const sites = new Map(state.sites);
      sites.delete(happened.data.runId);
      return { ...state, sites };
    }
    case 'SegmentChanged': {
      const servers = new Map(state.served.get(happened.data.segment));
      for (const { node, liveVersions } of happened.data.members) {
        const trees = liveVersions.map(({ site, treeDigest }) => [site, hex(treeDigest)] as const);
        servers.set(node, new Map(trees));
      }
      return { ...state, served: new Map(state.served).set(happened.data.segment, servers) };
    }
    case 'NodeRemoved': {
      const { node } = happened.data;
      const others = [...state.served].map(([segment, servers]) => {
        return [segment, new Map([...servers].filter(([name]) => name !== node))] as const;
      });
      return { ...state, served: new Map(others) };
    }
    case 'SegmentSwitched': {
      const { runId, segment, nodes } = happened.data;
      const site = state.sites.get(runId);
      if (site === undefined) return state;
      const servers = new Map(state.served.get(segment));
      for (const { node, status, treeDigest } of nodes) {
        if (status !== NodeStatus.SWITCHED) continue;
        servers.set(node, new Map(servers.get(node)).set(site, hex(treeDigest)));
      }
      return { ...state, served: new Map(state.served).set(segment, servers) };
    }
    default:
      return state;
  }
}

/** The digests of the trees of a site that some server serves. */
export function treesServed({ served }: State, site: string): ReadonlySet<string> {
  const trees = new Set<string>();
  for (const servers of served.values()) {
    for (const bySite of servers.values()) {
      const tree = bySite.get(site);
      if (tree) trees.add(tree);
    }
  }
  return trees;
}

function hex(digest: Uint8Array): string {
  return Buffer.from(digest).toString('hex');
}
