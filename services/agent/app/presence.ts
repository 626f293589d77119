import { create } from '@bufbuild/protobuf';
import type { Cancel, Clock, Random } from '#libs/clock/clock.js';
import {
  type Capacity,
  type IngressReport,
  NetworkSegmentReportSchema,
  type Register,
  RegisterSchema,
} from '#libs/contracts/index.js';
import type { SegmentRuntime } from '#libs/election/segment-runtime.js';
import { votingPriority } from '#libs/election/voting-priority.js';
import type { AgentConfig } from '../config.js';
import type { AssignmentExecutor } from './executor.js';

const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();

export interface PresenceOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly config: AgentConfig;
  readonly httpUrl: string;
  /** What kind of host it carries out assignments on. */
  readonly agentType: string;
  readonly capacity: () => Capacity;
  /** Of the interface on the segment; `undefined`: the host does not tell. */
  readonly networkMbitPerS?: number;
  readonly executor: Pick<AssignmentExecutor, 'liveVersions'>;
  readonly onChanged: () => void;
}

/** A leader with less free disk steps aside. */
const leastFreeBytes = 64n * 2n ** 20n;
/** Long enough for the others to notice and to elect. */
const asideMs = 60_000;
/** A former leader knows the segment best for so long. */
const recentlyMs = 3_600_000;
/** A control plane that was restored knows its segments again after so long. */
const reportEveryMs = 600_000;
/**
 * A switch is followed by the removal of old versions: one registration tells both. Servers that
 * switch together leave the leader, and each other, time for what has to be done at that moment.
 */
const gatherMs = 50;
const spreadMs = 100;

/** What this agent says of itself, and as a leader of its segment. */
export class Presence {
  /** Servers that were registered when this one last led, itself included; 0: it never did. */
  private knownMembers = 0;
  private reportedAtMs = Number.NEGATIVE_INFINITY;
  private isLeading = false;
  private ledUntilMs = Number.NEGATIVE_INFINITY;
  private asideUntilMs = 0;
  private telling: Cancel | undefined;

  constructor(private readonly options: PresenceOptions) {}

  /** Another version went live here, or one is not here any more: told in a moment. */
  changed(): void {
    const { clock, random, onChanged } = this.options;
    this.telling ??= clock.schedule(gatherMs + spreadMs * random(), () => {
      this.telling = undefined;
      onChanged();
    });
  }

  close(): void {
    this.telling?.();
  }

  describe(): Register {
    const { config, httpUrl, executor, capacity } = this.options;
    return create(RegisterSchema, {
      node: config.node,
      httpUrl,
      agentType: this.options.agentType,
      capacity: capacity(),
      labels: { ...config.labels },
      liveVersions: executor.liveVersions(),
      timeZone,
      isLeaf: config.isLeaf,
    });
  }

  /** Tells who leads: who did lately stands better in the next vote. */
  leads(isMe: boolean): void {
    if (this.isLeading && !isMe) this.ledUntilMs = this.options.clock.nowMs();
    this.isLeading = isMe;
  }

  /**
   * 0 for who is never to lead. A leader whose disk is full steps aside for others (0 for a minute,
   * then the weakest there is): it has no room for what it would have to pass on. Alone it leads on
   * and says what fails.
   */
  priority(): bigint {
    const { votingFactor } = this.options.config;
    if (votingFactor === 0) return 0n;
    const nowMs = this.options.clock.nowMs();
    const { cpuCount, cpuMhz, memoryBytes, diskFreeBytes, uptimeMs } = this.options.capacity();
    const isFull = diskFreeBytes < leastFreeBytes;
    if (!isFull) this.asideUntilMs = 0;
    else if (this.knownMembers > 1 && this.asideUntilMs === 0) this.asideUntilMs = nowMs + asideMs;
    if (isFull) return nowMs < this.asideUntilMs ? 0n : 1n;
    const ledRecently = this.isLeading || nowMs - this.ledUntilMs < recentlyMs;
    return votingPriority({
      cpuCount,
      cpuMhz,
      memoryBytes: Number(memoryBytes),
      diskFreeBytes: Number(diskFreeBytes),
      uptimeMs: Number(uptimeMs),
      ...{ networkMbitPerS: this.options.networkMbitPerS, ledRecently },
      knownMembers: ledRecently ? this.knownMembers : 0,
      contentShare: this.options.executor.liveVersions().length > 0 ? 1 : 0,
      userFactor: votingFactor - 1,
    });
  }

  /** Whether the control plane has not been told of the segment for long. */
  isReportDue(): boolean {
    return this.options.clock.nowMs() - this.reportedAtMs >= reportEveryMs;
  }

  /** The whole segment as its leader sees it; `undefined` when this node does not lead. */
  segmentReport(
    { leader, members }: Pick<SegmentRuntime, 'leader' | 'members'>,
    reason: string,
  ): IngressReport['report'] | undefined {
    const { config, httpUrl } = this.options;
    if (leader?.node !== config.node) return undefined;
    this.knownMembers = members.length;
    this.reportedAtMs = this.options.clock.nowMs();
    const value = create(NetworkSegmentReportSchema, {
      segment: config.segment,
      leader: leader.node,
      term: leader.term,
      httpUrl,
      reason,
      members: members.map(({ register, address }) => ({
        ...register,
        address: address?.address ?? config.interfaceAddress,
        port: address?.port ?? 0,
      })),
    });
    return { case: 'networkSegment', value };
  }
}
