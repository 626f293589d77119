import { create } from '@bufbuild/protobuf';
import type { Cancel, Clock } from '#libs/clock/clock.js';
import {
  type ControlMessage,
  ControlMessageSchema,
  ProbeReplySchema,
  ProbeSchema,
} from '#libs/contracts/index.js';
import type { UdpAddress } from './control-port.js';
import {
  initialReachability,
  type PeerReach,
  type ReachEffect,
  type ReachInput,
  segmentMode,
  stepReachability,
} from './reachability.js';

/** The two ways a control frame can take. */
export interface ProbeWays {
  multicast(message: ControlMessage): void;
  unicast(message: ControlMessage, to: UdpAddress): void;
}

/** Asks peers which way they hear this agent, and answers theirs. */
export class PeerProbing {
  private state = initialReachability();
  private cancel: Cancel = () => undefined;

  constructor(
    private readonly node: string,
    private readonly clock: Clock,
    private readonly ways: ProbeWays,
  ) {}

  mode(): ReturnType<typeof segmentMode> {
    return segmentMode(this.state);
  }

  peers(): readonly PeerReach[] {
    return [...this.state.peers.values()];
  }

  /** A peer's unicast address. */
  learn(node: string, address: UdpAddress): void {
    this.step({ type: 'peer', node, address });
  }

  /** An authentic message came from a peer. */
  heard(node: string, from: UdpAddress, { message }: ControlMessage): void {
    this.learn(node, from);
    if (message.case === 'probe' && message.value.targets.includes(this.node)) {
      const { number, byMulticast } = message.value;
      const value = create(ProbeReplySchema, { number, byMulticast });
      this.ways.unicast(controlMessage({ case: 'probeReply', value }), from);
    }
    if (message.case === 'probeReply') this.step({ type: 'reply', node, ...message.value });
  }

  close(): void {
    this.cancel();
  }

  private step(input: ReachInput): void {
    const [next, effects] = stepReachability(this.state, input, this.clock.nowMs());
    // A timer may ring a little early: then it is set again.
    const isNewAlarm = input.type === 'tick' || next.wakeAtMs !== this.state.wakeAtMs;
    this.state = next;
    for (const effect of effects) this.ask(effect);
    if (!isNewAlarm) return;
    this.cancel();
    if (next.wakeAtMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.max(0, next.wakeAtMs - this.clock.nowMs());
    this.cancel = this.clock.schedule(delayMs, () => this.step({ type: 'tick' }));
  }

  private ask({ number, targets }: ReachEffect): void {
    const probe = (byMulticast: boolean) => {
      const value = create(ProbeSchema, { number, byMulticast, targets: [...targets] });
      return controlMessage({ case: 'probe', value });
    };
    this.ways.multicast(probe(true));
    for (const node of targets) {
      const peer = this.state.peers.get(node);
      if (peer) this.ways.unicast(probe(false), peer.address);
    }
  }
}

function controlMessage(message: ControlMessage['message']): ControlMessage {
  return create(ControlMessageSchema, { message });
}
