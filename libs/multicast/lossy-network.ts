import type { Random } from '#libs/clock/clock.js';
import type { ControlMessage } from '#libs/contracts/index.js';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import type { VirtualClock } from '#libs/testkit/virtual-clock.js';
import type { ControlPort, ReceivedControl } from './control-port.js';
import { type DataFrames, payloadsOf, readDataFrame } from './data-frame.js';
import type { DataChannel } from './data-port.js';
import { shortHash } from './sealed-frame.js';

/** What a simulated network does to datagrams; shares are 0 to 1. */
export interface Faults {
  readonly lossShare: number;
  /** Mean length of the runs of data frames that a member loses (Gilbert, Elliott). */
  readonly burstFrames?: number;
  readonly duplicateShare: number;
  readonly maxDelayMs: number;
}

interface Host {
  readonly node: string;
  readonly control: Set<(received: ReceivedControl) => void>;
  readonly data: Set<(frames: DataFrames) => void>;
  /** In a burst of losses. */
  isDeaf: boolean;
}

/** A segment in memory for tests: loses, repeats, delays and so reorders; one seed, one run. */
export class LossyNetwork {
  readonly reportsByPass = new Map<string, number>();
  /** Milliseconds that a node needs to join the data group; it hears no frame before. */
  readonly joiningMs = new Map<string, number>();
  /** Nodes that no data frame reaches. */
  readonly cutOff = new Set<string>();
  /** Nodes that nothing reaches. */
  readonly dead = new Set<string>();
  /** May change the payload of a frame on its way, or swallow it. */
  tamper?: (node: string, payload: Buffer) => Buffer | undefined;
  private readonly hosts: Host[] = [];
  private readonly random: Random;

  constructor(
    private readonly clock: VirtualClock,
    private readonly faults: Faults,
    seed: number,
    private readonly frameBytes = 1_400,
  ) {
    this.random = seededRandom(seed);
  }

  join(node: string): { control: ControlPort; data: DataChannel; address: AddressOf } {
    const host: Host = { node, control: new Set(), data: new Set(), isDeaf: false };
    this.hosts.push(host);
    return { control: this.controlOf(host), data: this.dataOf(host), address: addressOf(node) };
  }

  private controlOf(host: Host): ControlPort {
    const deliver = (to: Host, message: ControlMessage) => {
      if (message.message.case === 'missingFrames') {
        const key = `${host.node} ${message.message.value.pass}`;
        this.reportsByPass.set(key, (this.reportsByPass.get(key) ?? 0) + 1);
      }
      const sender = shortHash(host.node).toString('hex');
      const received = { message, from: addressOf(host.node), sender };
      this.carry(to, false, () => {
        for (const listener of [...to.control]) listener(received);
      });
    };
    return {
      broadcast: (message) => {
        for (const to of this.hosts) if (to !== host) deliver(to, message);
      },
      send: (message, { address }) => {
        for (const to of this.hosts) if (to.node === address) deliver(to, message);
      },
      onMessage: (listener) => {
        host.control.add(listener);
        return () => host.control.delete(listener);
      },
    };
  }

  private dataOf(host: Host): DataChannel {
    const send = (frames: DataFrames, frameBytes: number) => {
      if (!this.tamper) this.sendFrames(host, frames, frameBytes);
      else for (const payload of payloadsOf(frames, frameBytes)) this.sendFrame(host, payload);
    };
    return {
      address: '239.0.0.1',
      port: 1,
      frameBytes: this.frameBytes,
      openSender: async () => ({
        burstBytes: 50_000,
        rateBytesPerS: 50_000_000,
        maxRateBytesPerS: 50_000_000,
        send,
        flushed: () => Promise.resolve(),
        close: () => undefined,
      }),
      onFrames: (listener) => {
        host.data.add(listener);
        return () => host.data.delete(listener);
      },
      joined: () => this.joined(host),
      catchUp: () => undefined,
      backlogShare: () => 0,
      keyEpoch: () => 0,
      cipherFor: () => undefined,
      close: () => host.data.clear(),
    };
  }

  private joined({ node }: Host): Promise<void> {
    const waitMs = this.joiningMs.get(node);
    if (waitMs === undefined) return Promise.resolve();
    this.cutOff.add(node);
    return new Promise((resolve) => {
      this.clock.schedule(waitMs, () => {
        this.cutOff.delete(node);
        resolve();
      });
    });
  }

  /** What of a run gets through to a host arrives in runs again. */
  private sendFrames(from: Host, frames: DataFrames, frameBytes: number): void {
    const all = Uint8Array.from(frames.content);
    const inBursts = this.faults.burstFrames !== undefined;
    for (const to of this.hosts) {
      if (to === from || this.cutOff.has(to.node) || this.dead.has(to.node)) continue;
      for (let at = 0; at < frames.count; ) {
        let count = 0;
        while (at + count < frames.count && !this.isLost(to, inBursts)) count++;
        const content = all.subarray(at * frameBytes, (at + count) * frameBytes);
        const run = { ...frames, number: frames.number + at, count, content };
        if (count > 0) {
          this.deliver(() => {
            for (const listener of [...to.data]) listener(run);
          });
        }
        at += count + 1;
      }
    }
  }

  private sendFrame(from: Host, payload: Buffer): void {
    for (const to of this.hosts) {
      if (to === from || this.cutOff.has(to.node)) continue;
      this.carry(to, this.faults.burstFrames !== undefined, () => {
        const arriving = this.tamper?.(to.node, Buffer.from(payload));
        const frame = arriving && readDataFrame(arriving);
        if (frame) for (const listener of [...to.data]) listener(frame);
      });
    }
  }

  private isLost(to: Host, inBursts: boolean): boolean {
    const { lossShare, burstFrames = 1 } = this.faults;
    if (!inBursts) return this.random() < lossShare;
    const leave = 1 / burstFrames;
    const enter = (leave * lossShare) / (1 - lossShare);
    to.isDeaf = this.random() < (to.isDeaf ? 1 - leave : enter);
    return to.isDeaf;
  }

  private carry(to: Host, inBursts: boolean, arrive: () => void): void {
    if (this.dead.has(to.node) || this.isLost(to, inBursts)) return;
    this.deliver(arrive);
  }

  private deliver(arrive: () => void): void {
    const copies = this.random() < this.faults.duplicateShare ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      this.clock.schedule(this.random() * this.faults.maxDelayMs, arrive);
    }
  }
}

type AddressOf = ReturnType<typeof addressOf>;

function addressOf(node: string): { readonly address: string; readonly port: number } {
  return { address: node, port: 1 };
}
