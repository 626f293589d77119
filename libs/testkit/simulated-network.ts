import type { Cancel, Clock, Random } from '#libs/clock/clock.js';
import type { ControlMessage } from '#libs/contracts/index.js';
import type { ControlPort, ReceivedControl, UdpAddress } from '#libs/multicast/control-port.js';
import { shortHash } from '#libs/multicast/sealed-frame.js';

export interface NetworkOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Share of the datagrams lost on the way to one receiver, 0 to 1. */
  readonly lossRate?: number;
  readonly duplicateRate?: number;
  /** Each datagram takes a random time between the two, so a wide span reorders. */
  readonly minDelayMs?: number;
  readonly maxDelayMs?: number;
}

/** A node of the network: its port, and a clock that stands still while the node does. */
export interface SimulatedNode {
  readonly name: string;
  readonly address: UdpAddress;
  readonly port: ControlPort;
  readonly clock: Clock;
}

type Condition = 'running' | 'paused' | 'crashed';

interface Host extends SimulatedNode {
  condition: Condition;
  /** How far its clock is from the others'. */
  offsetMs: number;
  /** What became due while the node was paused. */
  readonly waiting: (() => void)[];
  readonly listeners: Set<(received: ReceivedControl) => void>;
}

/** Datagrams between nodes in virtual time: a seed always loses, delays and repeats the same. */
export class SimulatedNetwork {
  /** Datagrams handed over, by the message's name. */
  readonly delivered = new Map<string, number>();
  private readonly hosts = new Map<string, Host>();
  private readonly cut = new Set<string>();
  private lossRate: number;

  constructor(private readonly options: NetworkOptions) {
    this.lossRate = options.lossRate ?? 0;
  }

  setLossRate(lossRate: number): void {
    this.lossRate = lossRate;
  }

  /** A node of this name; after a crash, a new one in its place. */
  join(name: string): SimulatedNode {
    const address = { address: '10.0.0.1', port: 1_000 + this.hosts.size };
    const listeners: Host['listeners'] = new Set();
    const host: Host = {
      name,
      address: this.hosts.get(name)?.address ?? address,
      condition: 'running',
      offsetMs: 0,
      waiting: [],
      listeners,
      port: {
        broadcast: (message) => {
          for (const other of this.hosts.values()) {
            if (other !== host) this.transmit(host, other, message);
          }
        },
        send: (message, to) => {
          for (const other of this.hosts.values()) {
            if (other.address.port === to.port) this.transmit(host, other, message);
          }
        },
        onMessage: (listener) => {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      },
      clock: {
        nowMs: () => this.options.clock.nowMs() + host.offsetMs,
        schedule: (delayMs, action) => this.scheduleAt(host, delayMs, action),
      },
    };
    this.hosts.set(name, host);
    return host;
  }

  /** The node stops for ever; `join` starts it anew. */
  crash(name: string): void {
    this.host(name).condition = 'crashed';
  }

  /** The node stands still; what arrives waits, as in the buffer of a stopped process. */
  pause(name: string): void {
    this.host(name).condition = 'paused';
  }

  resume(name: string): void {
    const host = this.host(name);
    host.condition = 'running';
    for (const action of host.waiting.splice(0)) this.runOn(host, action);
  }

  /** The node's clock is set: by so much forward, or back when negative. */
  shiftClock(name: string, byMs: number): void {
    this.host(name).offsetMs += byMs;
  }

  /** Nodes of different groups do not hear each other; a node named in no group hears nobody. */
  partition(groups: readonly (readonly string[])[]): void {
    this.heal();
    const groupOf = (name: string) => groups.findIndex((group) => group.includes(name));
    for (const from of this.hosts.keys()) {
      for (const to of this.hosts.keys()) {
        if (groupOf(from) !== groupOf(to) || groupOf(from) < 0) this.block(from, to);
      }
    }
  }

  /** `to` no longer hears `from`; the other direction stays as it is. */
  block(from: string, to: string): void {
    this.cut.add(`${from} ${to}`);
  }

  heal(): void {
    this.cut.clear();
  }

  private transmit(from: Host, to: Host, message: ControlMessage): void {
    const { random, duplicateRate = 0 } = this.options;
    if (from.condition === 'crashed' || this.cut.has(`${from.name} ${to.name}`)) return;
    if (random() >= this.lossRate) this.deliver(from, to, message);
    if (duplicateRate > 0 && random() < duplicateRate) this.deliver(from, to, message);
  }

  private deliver(from: Host, to: Host, message: ControlMessage): void {
    const { clock, random, minDelayMs = 0, maxDelayMs = 2 } = this.options;
    const received: ReceivedControl = {
      message,
      from: from.address,
      sender: shortHash(from.name).toString('hex'),
    };
    clock.schedule(minDelayMs + (maxDelayMs - minDelayMs) * random(), () => {
      this.runOn(to, () => {
        const name = message.message.case ?? 'empty';
        this.delivered.set(name, (this.delivered.get(name) ?? 0) + 1);
        for (const listener of to.listeners) listener(received);
      });
    });
  }

  private scheduleAt(host: Host, delayMs: number, action: () => void): Cancel {
    let cancelled = false;
    const cancel = this.options.clock.schedule(delayMs, () => {
      this.runOn(host, () => {
        if (!cancelled) action();
      });
    });
    return () => {
      cancelled = true;
      cancel();
    };
  }

  private runOn(host: Host, action: () => void): void {
    if (host.condition === 'running') action();
    else if (host.condition === 'paused') host.waiting.push(action);
  }

  private host(name: string): Host {
    const host = this.hosts.get(name);
    if (!host) throw new Error(`no node ${name} has joined the network`);
    return host;
  }
}
