import { create } from '@bufbuild/protobuf';
import {
  type AssignmentReport,
  RegisterSchema,
  SessionAnnouncementSchema,
} from '#libs/contracts/index.js';
import type { SegmentLeader } from '#libs/election/segment.js';
import { SegmentRuntime } from '#libs/election/segment-runtime.js';
import { fastTimings, type SegmentTimings } from '#libs/election/timings.js';
import { seededRandom } from './seeded-random.js';
import { type NetworkOptions, SimulatedNetwork } from './simulated-network.js';
import { VirtualClock } from './virtual-clock.js';

export type SegmentConditions = Omit<NetworkOptions, 'clock' | 'random'> & {
  readonly timings?: SegmentTimings;
};

/** A segment of agents in virtual time. */
export class SimulatedSegment {
  readonly clock = new VirtualClock(1_000);
  readonly network: SimulatedNetwork;
  readonly agents = new Map<string, SimulatedAgent>();
  /** One line per change of state: `1.250 node-1 leader-known -> leader-unknown leader-silent`. */
  readonly trace: string[] = [];
  private readonly random: () => number;
  private readonly timings: SegmentTimings;

  constructor(seed: number, conditions: SegmentConditions = {}) {
    this.random = seededRandom(seed);
    this.timings = conditions.timings ?? fastTimings;
    this.network = new SimulatedNetwork({ ...conditions, clock: this.clock, random: this.random });
  }

  /** Starts an agent, also in the place of a crashed one. */
  start(name: string, priority: bigint): SimulatedAgent {
    const agent = new SimulatedAgent(this, name, priority, this.timings, this.random);
    this.agents.set(name, agent);
    agent.segment.start();
    return agent;
  }

  agent(name: string): SimulatedAgent {
    const agent = this.agents.get(name);
    if (!agent) throw new Error(`no agent ${name} was started`);
    return agent;
  }

  crash(name: string): void {
    this.network.crash(name);
    this.agents.delete(name);
  }

  /** Names of the agents that lead. */
  leaders(among: Iterable<string> = this.agents.keys()): string[] {
    return [...among].filter((name) => this.agents.get(name)?.segment.isLeader);
  }

  /** Every agent follows the one leader there is. */
  isSettled(among: readonly string[] = [...this.agents.keys()]): boolean {
    const [leader, ...others] = this.leaders(among);
    if (leader === undefined || others.length > 0) return false;
    return among.every((name) => this.agents.get(name)?.segment.leader?.node === leader);
  }

  /** Lets time pass until `condition` holds. @returns how long that took, in milliseconds */
  passUntil(condition: () => boolean, limitMs: number): number {
    const startMs = this.clock.nowMs();
    while (!condition()) {
      if (this.clock.nowMs() - startMs >= limitMs) {
        throw new Error(`not reached in ${limitMs} ms:\n${this.trace.slice(-40).join('\n')}`);
      }
      this.clock.advance(5);
    }
    return this.clock.nowMs() - startMs;
  }
}

export class SimulatedAgent {
  readonly segment: SegmentRuntime;
  readonly leadersSeen: (SegmentLeader | undefined)[] = [];
  readonly membersChanged: string[] = [];
  readonly lateReports: AssignmentReport[] = [];
  readonly sessionsHeard: string[] = [];
  labels: Record<string, string> = {};
  sessions: string[] = [];

  constructor(
    segment: SimulatedSegment,
    name: string,
    priority: bigint,
    timings: SegmentTimings,
    random: () => number,
  ) {
    const { port, clock } = segment.network.join(name);
    this.segment = new SegmentRuntime({
      port,
      clock,
      random,
      node: name,
      timings,
      priority: () => priority,
      describe: () =>
        create(RegisterSchema, { node: name, httpUrl: `http://${name}`, labels: this.labels }),
      announcements: () =>
        this.sessions.map((assignmentId) => create(SessionAnnouncementSchema, { assignmentId })),
      onLeaderChanged: (leader) => this.leadersSeen.push(leader),
      onMembersChanged: (_members, reason) => this.membersChanged.push(reason),
      onLateReport: (report) => this.lateReports.push(report),
      onAnnouncements: (heard) =>
        this.sessionsHeard.push(...heard.map(({ assignmentId }) => assignmentId)),
      onElectionState: (from, to, reason) => {
        const seconds = ((segment.clock.nowMs() - 1_000) / 1_000).toFixed(3);
        segment.trace.push(`${seconds} ${name} ${from} -> ${to} ${reason}`);
      },
    });
  }

  get memberNames(): string[] {
    return this.segment.members.map(({ register }) => register.node).sort();
  }
}
