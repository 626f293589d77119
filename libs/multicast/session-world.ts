import { createCipheriv, createHash } from 'node:crypto';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { SessionReceiver } from './adapters/session-receiver.js';
import { type SendSessionOptions, sendSession } from './adapters/session-sender.js';
import { ComparedCopy } from './compared-copy.js';
import { geometryOf } from './geometry.js';
import { type Faults, LossyNetwork } from './lossy-network.js';
import {
  type ByteRange,
  blockBytes,
  type Decision,
  type SessionOutcome,
  type SessionSink,
  type StopReason,
} from './session.js';

export const clean: Faults = { lossShare: 0, duplicateShare: 0, maxDelayMs: 0.5 };
export const headBytes = 700;
export const frameBytes = 1_400;

/** Ten million calls of a generator take seconds where a test runner looks up every global. */
function containerOf(bytes: number, seed: number): Buffer {
  const key = createHash('sha256').update(`container ${seed}`).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

/** Memory of a member that keeps no copy for what it has not verified. */
const smallBufferBytes = 2 ** 20;

/**
 * A member whose sink is memory and whose verdict is a comparison with what was sent. Thousands at
 * once keep marks instead of copies.
 */
export class TestMember {
  readonly bytes: Buffer;
  private readonly marks?: ComparedCopy;
  readonly badUnits: number[] = [];
  held: ByteRange[] = [];
  decision: Decision = 'need';
  isDone = false;
  isDiskFull = false;
  stopReason?: StopReason;
  receiver?: SessionReceiver;
  private readonly port: ReturnType<LossyNetwork['join']>;

  constructor(
    readonly node: string,
    private readonly original: Buffer,
    network: LossyNetwork,
    private readonly clock: VirtualClock,
    private readonly seed: number,
    keepsCopy: boolean,
  ) {
    this.bytes = Buffer.alloc(keepsCopy ? original.length : 0);
    const geometry = geometryOf(original.length, Math.min(headBytes, original.length), frameBytes);
    if (!keepsCopy) this.marks = new ComparedCopy(original, geometry);
    this.port = network.join(node);
    this.start();
  }

  /** Whether it holds what was sent, byte by byte. */
  get isEqual(): boolean {
    return this.marks?.isWhole ?? this.bytes.equals(this.original);
  }

  get participant() {
    return { node: this.node, address: this.port.address };
  }

  start(): void {
    this.receiver = new SessionReceiver({
      control: this.port.control,
      openData: () => this.port.data,
      clock: this.clock,
      random: seededRandom(this.seed),
      node: this.node,
      wants: () => (this.isDone ? 'have' : this.decision),
      openSink: async () => this.sink(),
      ...(this.marks && { unitBufferBytes: smallBufferBytes }),
    });
  }

  private sink(): SessionSink {
    const isSound = (offset: number, bytes: Uint8Array) => {
      const good = this.original.subarray(offset, offset + bytes.length).equals(bytes);
      if (!good) this.badUnits.push(offset);
      return good;
    };
    return {
      held: this.held,
      writeAt: async (offset, bytes) => {
        if (this.isDiskFull) throw new Error('no space left');
        if (this.marks) this.marks.write(offset, bytes);
        else this.bytes.set(bytes, offset);
      },
      readAt: (offset, length) =>
        this.marks?.read(offset, length) ?? this.bytes.subarray(offset, offset + length),
      verifyHead: (head) => isSound(0, head),
      verifyBlock: (index, block) => {
        const offset = headBytes + index * blockBytes;
        const good = isSound(offset, block);
        if (good && !this.marks) this.held = [...this.held, { offset, length: block.length }];
        return good;
      },
      done: async () => {
        this.isDone = true;
      },
      stopped: async (reason) => {
        this.stopReason = reason;
      },
    };
  }
}

/** A leader, members and a container on a network that has these faults. */
export interface World {
  readonly clock: VirtualClock;
  readonly network: LossyNetwork;
  readonly container: Buffer;
  readonly members: readonly TestMember[];
  readonly send: (changes?: Partial<SendSessionOptions>) => Promise<SessionOutcome>;
}

export function worldOf(
  memberCount: number,
  bytes: number,
  faults: Faults,
  seed: number,
  keepCopies = true,
): World {
  const clock = new VirtualClock();
  const network = new LossyNetwork(clock, faults, seed, frameBytes);
  const container = containerOf(bytes, seed);
  const leader = network.join('leader');
  const members = Array.from(
    { length: memberCount },
    (_, index) => new TestMember(`m${index}`, container, network, clock, seed + index, keepCopies),
  );
  const send = (changes: Partial<SendSessionOptions> = {}) =>
    sendSession({
      control: leader.control,
      data: leader.data,
      clock,
      subject: {
        assignmentId: 'a',
        containerDigest: createHash('sha256').update(container).digest(),
        containerBytes: container.length,
        headBytes,
        unicastUrl: 'http://leader/a',
      },
      participants: members.map(({ participant }) => participant),
      read: (offset, length) => container.subarray(offset, offset + length),
      ...changes,
    });
  return { clock, network, container, members, send };
}

/** Lets time pass, a little at a time, until the work is done. */
export async function run<T>(clock: VirtualClock, work: Promise<T>, stepMs = 0.5): Promise<T> {
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  work.then(over, over);
  for (let turn = 0; !isOver && turn < 1_000_000; turn++) {
    await new Promise(setImmediate);
    clock.advance(stepMs);
  }
  return work;
}
