import { create } from '@bufbuild/protobuf';
import {
  type Capacity,
  type IngressReport,
  NetworkSegmentReportSchema,
  type Register,
  RegisterSchema,
} from '#libs/contracts/index.js';
import type { SegmentLeader, SegmentMember } from '#libs/election/segment.js';
import { votingPriority } from '#libs/election/voting-priority.js';
import { agentType } from '#libs/interpreter/admission.js';
import type { AgentConfig } from '../config.js';
import type { AssignmentExecutor } from './executor.js';

export interface PresenceOptions {
  readonly config: AgentConfig;
  readonly httpUrl: string;
  readonly capacity: () => Capacity;
  readonly executor: Pick<AssignmentExecutor, 'liveVersions'>;
  readonly onChanged: () => void;
}

/** What this agent says of itself, and as a leader of its segment. */
export class Presence {
  constructor(private readonly options: PresenceOptions) {}

  /** Another version went live here. */
  changed(): void {
    this.options.onChanged();
  }

  describe(): Register {
    const { config, httpUrl, executor, capacity } = this.options;
    return create(RegisterSchema, {
      node: config.node,
      httpUrl,
      agentType,
      capacity: capacity(),
      labels: { ...config.labels },
      liveVersions: executor.liveVersions(),
    });
  }

  priority(): bigint {
    const { cpuCount, cpuMhz, memoryBytes, diskFreeBytes, uptimeMs } = this.options.capacity();
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
