import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Supervised, supervise } from '#deploy/embedded/supervise.js';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { sleep } from '#libs/clock/clock.js';
import { NodeListSchema, removedExitStatus } from '#libs/contracts/index.js';
import { controlKeysIn } from '#libs/keys/adapters/file-keys.js';
import { ApiClient } from '../client/api-client.js';
import type { ControlPlane } from './control-plane.js';

export interface DemoOptions {
  readonly dataDir: string;
  readonly segments: number;
  /** Agents in each segment. */
  readonly nodes: number;
  readonly log: (line: string) => void;
}

export interface DemoAgent {
  readonly segment: string;
  readonly node: string;
  readonly root: string;
}

export interface DemoFleet {
  /** Without those whose servers were removed. */
  readonly agents: readonly DemoAgent[];
  close(): Promise<void>;
}

const agentProgram = fileURLToPath(new URL('../../agent/main.js', import.meta.url));
const cities = ['paris', 'tokyo', 'boston', 'lagos', 'lima', 'oslo', 'delhi', 'sydney'];
const pollMs = 100;
const readyTimeoutMs = 60_000;

/** The demo agents' names and directories: `<dataDir>/agents/<segment>/<node>`. */
export function demoAgents({ dataDir, segments, nodes }: DemoOptions): DemoAgent[] {
  return Array.from({ length: segments }, (_, s) => cities[s] ?? `segment-${s + 1}`).flatMap(
    (segment) =>
      Array.from({ length: nodes }, (_, n) => {
        const node = `${segment}-${n + 1}`;
        return { segment, node, root: join(dataDir, 'agents', segment, node) };
      }),
  );
}

/** Starts agents on loopback multicast, each a process; resolves when all are registered. */
export async function startDemoAgents(
  control: ControlPlane,
  options: DemoOptions,
): Promise<DemoFleet> {
  const agents = demoAgents(options);
  await controlKeysIn(join(options.dataDir, 'keys')).joinToken();
  const running = new Map<DemoAgent, Supervised>();
  const close = async () => {
    await Promise.all([...running.values()].map((agent) => agent.stop()));
  };
  const remaining = () => agents.filter((agent) => !running.get(agent)?.isOver);
  try {
    const start = async (agent: DemoAgent) =>
      void running.set(agent, await startOne(agent, control, options));
    await Promise.all(agents.map(start));
    await untilRegistered(control.url, remaining);
  } catch (error) {
    await close();
    throw error;
  }
  return { agents: remaining(), close };
}

async function startOne(
  { segment, node, root }: DemoAgent,
  control: ControlPlane,
  { log }: DemoOptions,
): Promise<Supervised> {
  await mkdir(root, { recursive: true });
  const settings = {
    segment,
    name: node,
    root,
    control: control.agentUrl,
    'control-ca': control.authorityFile,
    'join-token-file': control.joinTokenFile,
    label: `location=${segment}`,
    timings: 'fast',
  };
  return supervise({
    name: `agent ${node}`,
    program: process.execPath,
    args: [
      '--max-semi-space-size=2',
      agentProgram,
      ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
    ],
    stopSignal: 'SIGTERM',
    logFile: join(root, 'agent.log'),
    pidFile: join(root, 'agent.pid'),
    finalStatus: removedExitStatus,
    ready: async () => true,
    log,
  });
}

async function untilRegistered(url: string, wanted: () => readonly DemoAgent[]): Promise<void> {
  const client = new ApiClient(url);
  const deadlineMs = systemClock.nowMs() + readyTimeoutMs;
  for (;;) {
    const { nodes } = await client.get('/api/v1/nodes', NodeListSchema);
    const online = new Set(
      nodes.filter(({ status }) => status === 'online').map(({ name }) => name),
    );
    const missing = wanted().filter(({ node }) => !online.has(node));
    if (missing.length === 0) return;
    if (systemClock.nowMs() > deadlineMs) {
      const names = missing.map(({ node }) => node).join(', ');
      throw new Error(`not registered after ${readyTimeoutMs / 1_000} s: ${names}; see agent.log`);
    }
    await sleep(systemClock, pollMs);
  }
}
