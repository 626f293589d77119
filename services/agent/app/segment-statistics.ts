import { create } from '@bufbuild/protobuf';
import {
  type MissingFrames,
  type SegmentStatus,
  SegmentStatusSchema,
  type SessionAnnouncement,
} from '#libs/contracts/index.js';
import type { SegmentLeader, SegmentMember } from '#libs/election/segment.js';
import type { PeerReach } from '#libs/multicast/reachability.js';
import type { SessionOutcome } from '#libs/multicast/session.js';
import { placeOf } from './announcements.js';

interface Loss {
  frames: number;
  missed: number;
  sessions: number;
}

interface Place {
  readonly depth: number;
  readonly sourceUrl: string;
}

/** What the channel tells of itself. */
export interface ChannelFacts {
  readonly mode: string;
  readonly controlChannel: string;
  readonly keyEpoch: number;
  readonly peers: readonly PeerReach[];
  readonly dropped: Readonly<Record<string, number>>;
}

/** What a leader can tell of its segment: its election, and how its sessions went. */
export class SegmentStatistics {
  private readonly losses = new Map<string, Loss>();
  private readonly running = new Map<string, { frames: number; answered: Set<string> }>();
  private electedAtMs = 0;
  private electionReason = '';
  private lastReason = 'started';
  private leader = '';
  private sessions = 0;
  private multicastBytes = 0;
  private repairBytes = 0;
  private unicastBytes = 0;
  private sessionMs = 0;
  /** Of the newest container that members were told to pull. */
  private pulled = { assignmentId: '', places: new Map<string, Place>() };

  constructor(private readonly segment: string) {}

  /** A change of the election's state: what ended the last leadership is why there is a new. */
  electionState(from: string, reason: string): void {
    if (from === 'leader-known' || from === 'leader-is-me') this.lastReason = reason;
  }

  leaderChanged(leader: string | undefined, nowMs: number): void {
    if (leader === undefined || leader === this.leader) return;
    this.leader = leader;
    this.electedAtMs = nowMs;
    this.electionReason = this.lastReason;
  }

  announced({ sessionId, containerBytes, frameBytes }: SessionAnnouncement): void {
    const id = hex(sessionId);
    if (frameBytes === 0 || this.running.has(id)) return;
    const frames = Math.max(1, Math.ceil(Number(containerBytes) / frameBytes));
    this.running.set(id, { frames, answered: new Set() });
  }

  /** What a member missed in the first pass is the network's loss; later passes are repair. */
  missing({ node, sessionId, pass, ...report }: MissingFrames): void {
    const { missingTotal, unicastWanted, moreFollow } = report;
    const session = this.running.get(hex(sessionId));
    if (!session || pass > 1 || unicastWanted || moreFollow || session.answered.has(node)) return;
    session.answered.add(node);
    const loss = this.losses.get(node) ?? { frames: 0, missed: 0, sessions: 0 };
    loss.frames += session.frames;
    loss.missed += Math.min(missingTotal, session.frames);
    loss.sessions++;
    this.losses.set(node, loss);
  }

  sessionEnded(digest: Uint8Array, outcome: SessionOutcome): void {
    this.running.delete(hex(digest.subarray(0, 8)));
    this.sessions++;
    this.multicastBytes += outcome.multicastBytes;
    this.repairBytes += outcome.repairBytes;
    this.sessionMs += outcome.durationMs;
  }

  servedByUnicast(bytes: number): void {
    this.unicastBytes += bytes;
  }

  /** Members were told to pull a container: from whom is the segment's tree. */
  toldToPull(announcement: SessionAnnouncement): void {
    const { assignmentId, participants, unicastUrl } = announcement;
    if (assignmentId !== this.pulled.assignmentId) {
      this.pulled = { assignmentId, places: new Map() };
    }
    for (const [at, node] of participants.entries()) {
      const { depth, relayUrl = unicastUrl } = placeOf(announcement, at);
      this.pulled.places.set(node, { depth, sourceUrl: relayUrl });
    }
  }

  status(
    leader: SegmentLeader | undefined,
    members: readonly SegmentMember[],
    facts: ChannelFacts,
  ): SegmentStatus {
    const names = new Map(members.map(({ register }) => [register.httpUrl, register.node]));
    const modes = new Map(facts.peers.map(({ node, mode }) => [node, mode]));
    return create(SegmentStatusSchema, {
      segment: this.segment,
      leader: leader?.node ?? '',
      term: leader?.term ?? 0n,
      keyEpoch: facts.keyEpoch,
      mode: facts.mode,
      controlChannel: facts.controlChannel,
      electedAtMs: BigInt(this.electedAtMs),
      electionReason: this.electionReason,
      members: members.map(({ register: { node, address, port } }) => {
        const loss = this.losses.get(node);
        const place = this.pulled.places.get(node);
        return {
          node,
          address: port ? `${address}:${port}` : '',
          mode: node === leader?.node ? 'leader' : (modes.get(node) ?? 'unprobed'),
          lossPerMillion: loss ? Math.round((loss.missed * 1_000_000) / loss.frames) : 0,
          sessions: loss?.sessions ?? 0,
          pullsFrom: place ? (names.get(place.sourceUrl) ?? place.sourceUrl) : '',
          depth: place?.depth ?? 0,
        };
      }),
      sessions: this.sessions,
      multicastBytes: BigInt(this.multicastBytes),
      repairBytes: BigInt(this.repairBytes),
      unicastBytes: BigInt(this.unicastBytes),
      throughputBytesPerS: BigInt(
        Math.round((this.multicastBytes * 1_000) / Math.max(1, this.sessionMs)),
      ),
      dropped: Object.fromEntries(
        Object.entries(facts.dropped).map(([reason, count]) => [reason, BigInt(count)]),
      ),
    });
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
