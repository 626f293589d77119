import { create } from '@bufbuild/protobuf';
import type { Cancel, Clock, Random } from '#libs/clock/clock.js';
import {
  type Capacity,
  type IngressReport,
  NetworkSegmentReportSchema,
  type Register,
  RegisterSchema,
} from '#libs/contracts/index.js';
import type { SegmentLeader, SegmentMember } from '#libs/election/segment.js';
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
  readonly executor: Pick<AssignmentExecutor, 'liveVersions'>;
  readonly onChanged: () => void;
}

/** A leader with less free disk steps aside. */
const leastFreeBytes = 64n * 2n ** 20n;
/** Long enough for the others to notice and to elect. */
const asideMs = 60_000;
/**
 * A switch is followed by the removal of old versions: one registration tells both. Servers that
 * switch together leave the leader, and each other, time for what has to be done at that moment.
 */
const gatherMs = 50;
const spreadMs = 100;

/** What this agent says of itself, and as a leader of its segment. */
export class Presence {
  /** Other servers registered when this one last led. */
  private hasOthers = false;
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

  /**
   * A leader whose disk is full steps aside for others (0 for a minute, then the weakest there is):
   * it has no room for what it would have to pass on. Alone it leads on and says what fails.
   */
  priority(): bigint {
    const { cpuCount, cpuMhz, memoryBytes, diskFreeBytes, uptimeMs } = this.options.capacity();
    const isFull = diskFreeBytes < leastFreeBytes;
    if (!isFull) this.asideUntilMs = 0;
    else if (this.hasOthers && this.asideUntilMs === 0) {
      this.asideUntilMs = this.options.clock.nowMs() + asideMs;
    }
    if (isFull) return this.options.clock.nowMs() < this.asideUntilMs ? 0n : 1n;
    return votingPriority({
      cpuCount,
      cpuMhz,
      memoryBytes: Number(memoryBytes),
      diskFreeBytes: Number(diskFreeBytes),
      uptimeMs: Number(uptimeMs),
      contentShare: this.options.executor.liveVersions().length > 0 ? 1 : 0,
    });
  }

  /** The whole segment as its leader sees it; `undefined` when this node does not lead. */
  segmentReport(
    leader: SegmentLeader | undefined,
    members: readonly SegmentMember[],
    reason: string,
  ): IngressReport['report'] | undefined {
    const { config, httpUrl } = this.options;
    if (leader?.node !== config.node) return undefined;
    this.hasOthers = members.length > 1;
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
