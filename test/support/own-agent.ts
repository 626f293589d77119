import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Child, espalier } from './child.js';
import type { ControlPlane } from './control-plane.js';
import { until } from './until.js';

/** An agent that a test starts itself, alone in its segment, with options of its own. */
export interface OwnAgent {
  readonly node: string;
  readonly child: Child;
  /** What it logged. */
  log(): string;
  /** Kinds of the reports that wait for the control plane. */
  spooled(): string[];
  stop(): Promise<void>;
}

/** Where `ControlPlane.live` finds it; resolves at once. */
export function startOwnAgent(
  plane: ControlPlane,
  segment: string,
  ...options: string[]
): OwnAgent {
  return startNamedAgent(plane, segment, `${segment}-1`, ...options);
}

/** The same by a name of its own, also in a segment that has servers. */
export function startNamedAgent(
  plane: ControlPlane,
  segment: string,
  node: string,
  ...options: string[]
): OwnAgent {
  const root = join(plane.dataDir, 'agents', segment, node);
  mkdirSync(root, { recursive: true });
  const keys = join(plane.dataDir, 'keys');
  const settings = {
    segment,
    name: node,
    root,
    control: plane.agentUrl,
    'control-ca': join(keys, 'tls-authority.pem'),
    'join-token-file': join(keys, 'join-token'),
    timings: 'fast',
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const child = espalier(['agent', ...args, ...options]);
  const reports = join(root, 'spool', 'reports');
  return {
    node,
    child,
    log: () => child.output.stderr,
    spooled: () => readdirSync(reports).map((name) => name.slice(name.lastIndexOf('.') + 1)),
    stop: async () => {
      child.kill('SIGTERM');
      await child.ended;
    },
  };
}

interface Nodes {
  readonly nodes: readonly { readonly name: string; readonly status: string }[];
}

/** Until the control plane knows that it leads its segment. */
export async function untilOnline(plane: ControlPlane, { node }: OwnAgent): Promise<void> {
  await until(`${node} is online`, async () => {
    const { nodes } = await plane.json<Nodes>('get', 'nodes');
    return nodes.some(({ name, status }) => name === node && status === 'online');
  });
}
