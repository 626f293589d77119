import type { Socket } from 'node:dgram';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import type { ControlMessage } from '#libs/contracts/index.js';
import type { ControlPort, ReceivedControl, UdpAddress } from '../control-port.js';
import { PeerProbing } from '../peer-probing.js';
import type { PeerReach, segmentMode } from '../reachability.js';
import {
  type DropReason,
  type FrameKeys,
  FrameOpener,
  FrameSealer,
  frameTypes,
  noDrops,
} from '../sealed-frame.js';
import { type ControlIdentity, ControlVerifier, signControl } from '../signed-control.js';
import { type GroupEndpoint, openGroupSocket, openInterfaceSocket } from './udp-sockets.js';

/** The segment's control group, and who takes part in it. */
export interface ControlChannelOptions extends GroupEndpoint {
  readonly segment: string;
  readonly node: string;
  readonly segmentKey: FrameKeys;
  readonly identity: ControlIdentity;
  /** Whose signature admits an agent to the segment; SPKI DER. */
  readonly enrolmentKeys: readonly Uint8Array[];
  /** Where this agent hears unicast; any free port when it is left out or taken. */
  readonly unicastPort?: number;
  /** Where others hear unicast, as far as it is known. */
  readonly peers?: readonly { readonly node: string; readonly address: UdpAddress }[];
}

export interface ControlChannel extends ControlPort {
  /** Where this agent hears unicast, at `interfaceAddress`; broadcasts come from it too. */
  readonly unicastPort: number;
  /** Frames that were not for this agent or not sound, by reason. */
  readonly dropped: Readonly<Record<DropReason, number>>;
  /** Found by probes, never guessed. */
  mode(): ReturnType<typeof segmentMode>;
  peers(): readonly PeerReach[];
  /** The group that the segment talks in. */
  group(): UdpAddress;
  /** Talks in another group from now on; where members enter is still heard. */
  moveTo(group: UdpAddress): Promise<void>;
  close(): void;
}

/** Joins the control group. @throws when the interface or the group cannot be used */
export async function openControlChannel(options: ControlChannelOptions): Promise<ControlChannel> {
  const { interfaceAddress, unicastPort = 0 } = options;
  const unicast = await openInterfaceSocket(interfaceAddress, unicastPort).catch(() =>
    openInterfaceSocket(interfaceAddress),
  );
  const group = await openGroupSocket(options).catch((error: unknown) => {
    unicast.close();
    throw error;
  });
  return new UdpControlChannel(options, unicast, group);
}

class UdpControlChannel implements ControlChannel {
  readonly unicastPort: number;
  private readonly sealer: FrameSealer;
  private readonly opener: FrameOpener;
  private readonly verifier: ControlVerifier;
  private readonly probing: PeerProbing;
  private readonly listeners = new Set<(received: ReceivedControl) => void>();
  private readonly conflictListeners = new Set<(node: string) => void>();
  private readonly refused = noDrops();
  private moved?: { readonly at: UdpAddress; readonly socket: Socket };
  private isOpen = true;

  constructor(
    private readonly options: ControlChannelOptions,
    private readonly unicast: Socket,
    private readonly home: Socket,
  ) {
    const { segment, node, segmentKey, enrolmentKeys } = options;
    this.unicastPort = unicast.address().port;
    this.sealer = new FrameSealer(segment, node, segmentKey);
    const { bootId } = this.sealer;
    const { nowMs } = systemClock;
    const { control } = frameTypes;
    this.opener = new FrameOpener(control, segment, node, segmentKey, { ownBootId: bootId, nowMs });
    const startedAtMs = nowMs();
    this.verifier = new ControlVerifier({ segment, node, bootId, enrolmentKeys, startedAtMs });
    this.probing = new PeerProbing(node, systemClock, {
      multicast: (message) => this.toGroups(this.seal(message)),
      unicast: (message, to) => this.send(message, to),
    });
    unicast.on('message', (frame, from) => this.hear(frame, from));
    home.on('message', (frame, from) => this.hear(frame, from));
    for (const { node: peer, address } of options.peers ?? []) this.probing.learn(peer, address);
  }

  get dropped(): Readonly<Record<DropReason, number>> {
    const both = noDrops();
    for (const reason of Object.keys(both) as DropReason[]) {
      both[reason] = this.opener.dropped[reason] + this.refused[reason];
    }
    return both;
  }

  mode() {
    return this.probing.mode();
  }

  peers(): readonly PeerReach[] {
    return this.probing.peers();
  }

  group(): UdpAddress {
    return this.moved?.at ?? { address: this.options.address, port: this.options.port };
  }

  /** One frame on every way: who hears it twice drops the second as replayed. */
  broadcast(message: ControlMessage): void {
    const frame = this.seal(message);
    const peers = this.probing.peers();
    const isHeard = peers.length === 0 || peers.some(({ mode }) => mode !== 'unicast');
    if (isHeard) this.toGroups(frame);
    for (const { mode, address } of peers) {
      if (mode !== 'multicast') this.transmit(frame, address);
    }
  }

  send(message: ControlMessage, to: UdpAddress): void {
    this.transmit(this.seal(message), to);
  }

  onMessage(listener: (received: ReceivedControl) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  onConflict(listener: (node: string) => void): () => void {
    this.conflictListeners.add(listener);
    return () => this.conflictListeners.delete(listener);
  }

  async moveTo(group: UdpAddress): Promise<void> {
    const { address, port, interfaceAddress } = this.options;
    const at = this.group();
    if (at.address === group.address && at.port === group.port) return;
    const isHome = group.address === address && group.port === port;
    const socket = isHome ? undefined : await openGroupSocket({ ...group, interfaceAddress });
    this.moved?.socket.close();
    this.moved = socket && { at: group, socket };
    socket?.on('message', (frame, from) => this.hear(frame, from));
    if (!this.isOpen) socket?.close();
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.probing.close();
    this.unicast.close();
    this.home.close();
    this.moved?.socket.close();
  }

  private hear(frame: Buffer, { address, port }: UdpAddress): void {
    const opened = this.opener.open(frame, address);
    if (!opened) return;
    const verdict = this.verifier.verify(opened, systemClock.nowMs());
    if ('dropped' in verdict) {
      this.refused[verdict.dropped]++;
      if (!verdict.conflict) return;
      for (const listener of [...this.conflictListeners]) listener(verdict.conflict);
      return;
    }
    const { message, node } = verdict;
    const from = { address, port };
    this.probing.heard(node, from, message);
    for (const listener of [...this.listeners]) listener({ message, from, sender: opened.sender });
  }

  private seal(message: ControlMessage): Buffer {
    const { identity } = this.options;
    return this.sealer.sealBound(frameTypes.control, (header) =>
      signControl(identity, header, message, systemClock.nowMs()),
    );
  }

  /** Newcomers hear the group that they enter by. */
  private toGroups(frame: Buffer): void {
    this.transmit(frame, this.options);
    if (this.moved) this.transmit(frame, this.moved.at);
  }

  /** A datagram that cannot leave is a datagram lost. */
  private transmit(frame: Buffer, { address, port }: UdpAddress): void {
    if (this.isOpen) this.unicast.send(frame, port, address, () => undefined);
  }
}
