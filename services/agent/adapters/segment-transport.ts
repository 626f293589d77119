import { open } from 'node:fs/promises';
import {
  type AssignmentHead,
  openHead,
  parsePreamble,
  preambleBytes,
  verifyBlock,
} from '#libs/assignment/container.js';
import { steadyClock, systemRandom } from '#libs/clock/adapters/system-clock.js';
import type { EnrolReply, Notification, SessionAnnouncement } from '#libs/contracts/index.js';
import type { SegmentMember } from '#libs/election/segment.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';
import type { SegmentKeyRing } from '#libs/keys/segment-key-ring.js';
import { openFileSink } from '#libs/multicast/adapters/file-sink.js';
import { fileSource } from '#libs/multicast/adapters/file-source.js';
import { SessionReceiver } from '#libs/multicast/adapters/session-receiver.js';
import { sendSession } from '#libs/multicast/adapters/session-sender.js';
import {
  type ControlChannel,
  openControlChannel,
} from '#libs/multicast/adapters/udp-control-channel.js';
import { type UdpDataChannel, udpDataChannel } from '#libs/multicast/adapters/udp-data-channel.js';
import type { UdpAddress } from '#libs/multicast/control-port.js';
import { dataGroupOf, isDataGroup } from '#libs/multicast/group-choice.js';
import type { SessionOutcome } from '#libs/multicast/session.js';
import { currentTraceparent } from '#libs/telemetry/trace-context.js';
import { digestOf } from '../app/announcements.js';
import type { Member } from '../app/member.js';
import type { ChannelFacts } from '../app/segment-statistics.js';
import type { AgentConfig } from '../config.js';
import { networkMbitPerS } from './capacity.js';
import type { ContainerSpool } from './container-spool.js';
import type { AgentHttp } from './http-server.js';

export interface TransportOptions {
  readonly config: AgentConfig;
  readonly enrolment: EnrolReply;
  readonly key: SigningKey;
  readonly segmentKey: SegmentKeyRing;
  /** Where this agent would like to hear unicast control frames. */
  readonly controlPort: number;
}

/** The segment's control channel, its data channels, and containers over them. */
export class SegmentTransport {
  private receiver?: SessionReceiver;
  private readonly data = new Map<string, UdpDataChannel>();

  private constructor(
    readonly control: ControlChannel,
    private readonly options: TransportOptions,
  ) {}

  /** @throws when the control plane gave no credential, or a socket cannot be opened */
  static async open(options: TransportOptions): Promise<SegmentTransport> {
    const { config, enrolment, key, segmentKey, controlPort } = options;
    const { segment, node, interfaceAddress } = config;
    const { credential, enrolmentKeys } = enrolment;
    if (!credential) throw new Error('the control plane gave this agent no credential');
    const control = await openControlChannel({
      segment,
      node,
      segmentKey,
      interfaceAddress,
      identity: { key, credential },
      enrolmentKeys,
      address: enrolment.controlAddress,
      port: enrolment.controlPort,
      unicastPort: controlPort,
      peers: peersOf(config, enrolment),
    });
    return new SegmentTransport(control, options);
  }

  /** False only for a peer that was found not to hear multicast. */
  hearsMulticast(node: string): boolean {
    return this.control.peers().find((peer) => peer.node === node)?.mode !== 'unicast';
  }

  facts(): ChannelFacts {
    const { control, options } = this;
    const { address, port } = control.group();
    return {
      mode: control.mode(),
      controlChannel: `${address}:${port}`,
      keyEpoch: options.segmentKey.epoch,
      peers: control.peers(),
      dropped: control.dropped,
    };
  }

  /** Sends a container on disk to members of the segment. */
  async send(
    notification: Notification,
    path: string,
    members: readonly SegmentMember[],
    http: Pick<AgentHttp, 'url' | 'servedBytesPerS'>,
    onAnnouncement: (announcement: SessionAnnouncement) => void,
  ): Promise<SessionOutcome> {
    const { assignmentId, containerDigest, containerBytes, site, nodes, sessionQuorum } =
      notification;
    const file = await open(path, 'r');
    const read = fileSource(file.fd);
    try {
      const { headBytes } = parsePreamble(await read(0, preambleBytes));
      return await sendSession({
        control: this.control,
        data: this.channelOf(dataGroupOf(this.dataBase, site, nodes)),
        clock: steadyClock,
        subject: {
          assignmentId,
          containerDigest,
          containerBytes: Number(containerBytes),
          headBytes,
          unicastUrl: http.url,
          traceparent: currentTraceparent() ?? '',
        },
        participants: members.flatMap(({ register, address }) =>
          address ? [{ node: register.node, address }] : [],
        ),
        read,
        ...this.ownLink(http),
        ...(sessionQuorum > 0 && { quorum: Math.min(sessionQuorum, members.length) }),
        onAnnouncement,
      });
    } finally {
      await file.close();
    }
  }

  /** Takes part in the sessions that the member wants. */
  receive(node: string, member: Member, spool: ContainerSpool, trust: TrustRoot): void {
    this.receiver = new SessionReceiver({
      control: this.control,
      openData: (announcement) => this.announcedChannel(announcement),
      clock: steadyClock,
      random: systemRandom,
      node,
      wants: (announcement) => member.wants(announcement),
      openSink: (announcement) => openSink(announcement, member, spool, trust),
    });
  }

  async close(): Promise<void> {
    await this.receiver?.close();
    for (const channel of this.data.values()) channel.close();
    this.control.close();
  }

  /** Nothing where the host does not tell how fast its link is. */
  private ownLink({ servedBytesPerS }: Pick<AgentHttp, 'servedBytesPerS'>) {
    const mbitPerS = networkMbitPerS(this.options.config.interfaceAddress);
    return mbitPerS ? { ownLink: { bytesPerS: mbitPerS * 125_000, servedBytesPerS } } : {};
  }

  private get dataBase(): UdpAddress {
    const { dataAddress, dataPort } = this.options.enrolment;
    return { address: dataAddress, port: dataPort };
  }

  /** A leader can name the segment's own groups, and no others. */
  private announcedChannel({ dataAddress, dataPort }: SessionAnnouncement): UdpDataChannel {
    const named = { address: dataAddress, port: dataPort };
    return this.channelOf(isDataGroup(this.dataBase, named) ? named : this.dataBase);
  }

  private channelOf(group: UdpAddress): UdpDataChannel {
    const known = this.data.get(group.address);
    if (known) return known;
    const { config, segmentKey } = this.options;
    const { segment, node, interfaceAddress } = config;
    const channel = udpDataChannel({ ...group, segment, node, segmentKey, interfaceAddress });
    this.data.set(group.address, channel);
    return channel;
  }
}

/** Those that the operator named, and those that the control plane knows. */
function peersOf(config: AgentConfig, { peers }: EnrolReply) {
  const known = new Map(peers.map(({ node, controlAddress }) => [node, controlAddress]));
  for (const [node, address] of Object.entries(config.peers)) known.set(node, address);
  return [...known].map(([node, text]) => {
    const [address = '', port = ''] = text.split(':');
    return { node, address: { address, port: Number(port) } };
  });
}

/** Where an announced container goes: a part file of the spool, verified as it arrives. */
function openSink(
  announcement: SessionAnnouncement,
  member: Member,
  spool: ContainerSpool,
  trust: TrustRoot,
) {
  let head: AssignmentHead | undefined;
  return openFileSink({
    path: spool.partPath(digestOf(announcement)),
    containerBytes: Number(announcement.containerBytes),
    headBytes: announcement.headBytes,
    verifyHead: (bytes) => {
      head = tryOpenHead(bytes, trust);
      return head !== undefined;
    },
    verifyBlock: (index, block) => head !== undefined && verifyBlock(head, index, block),
    done: () => member.received(announcement),
    stopped: (reason) => member.stopped(announcement, reason),
  });
}

function tryOpenHead(bytes: Uint8Array, trust: TrustRoot): AssignmentHead | undefined {
  try {
    return openHead(bytes, trust);
  } catch {
    return undefined;
  }
}
