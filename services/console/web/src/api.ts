/** The parts of the API's JSON that the console shows; see proto/espalier/v1/api.proto. */
export interface Site {
  readonly name: string;
  readonly staging: string;
  readonly liveSequence: string;
  readonly liveTreeDigest: string;
}

export interface Node {
  readonly name: string;
  readonly segment: string;
  readonly status: 'online' | 'offline' | 'enrolled';
  readonly leader: boolean;
  readonly address: string;
  readonly live: Readonly<Record<string, string>>;
}

export interface Run {
  readonly runId: string;
  readonly site: string;
  readonly type: string;
  readonly status: string;
  readonly phase: string;
  readonly reason: string;
  readonly requestedAt: string;
  readonly durationMs: number;
  readonly nodesTotal: number;
  readonly nodesPrepared: number;
  readonly nodesSwitched: number;
  readonly nodesFailed: number;
  readonly actor: string;
  readonly nothingChanged: boolean;
  readonly dryRun: boolean;
  /** The run in its way; empty: none. */
  readonly blockingRunId: string;
}

/** Everything on the first page. */
export interface Fleet {
  readonly sites: readonly Site[];
  readonly nodes: readonly Node[];
  readonly runs: readonly Run[];
}

/** Reads it all; with `atSequence`, not before the read models have reached that event. */
export async function readFleet(atSequence = '0'): Promise<Fleet> {
  const query = `atSequence=${atSequence}`;
  const [{ sites }, { nodes }, { runs }] = await Promise.all([
    read<{ sites: Site[] }>(`/api/v1/sites?${query}`),
    read<{ nodes: Node[] }>(`/api/v1/nodes?${query}`),
    read<{ runs: Run[] }>(`/api/v1/runs?limit=20&${query}`),
  ]);
  return { sites, nodes, runs };
}

async function read<Reply>(path: string): Promise<Reply> {
  const response = await fetch(path);
  const body = await response.json();
  if (!response.ok) throw new Error(body.message ?? `HTTP ${response.status}`);
  return body as Reply;
}
