import { once } from 'node:events';
import type { UdpSocket } from '#libs/native/udp-socket.js';
import { ContentCipher } from '../content-cipher.js';
import type { DataFrames } from '../data-frame.js';
import type { DataChannel, DataSender } from '../data-port.js';
import { type DataDropReason, FrameChecker } from '../frame-checker.js';
import { FrameTagger } from '../frame-tagger.js';
import { type FrameKeys, ringOf } from '../sealed-frame.js';
import { maxContentBytes, taggedHeaderBytes } from '../tagged-frame.js';
import { FrameTrain } from './frame-train.js';
import {
  type FastSocket,
  type GroupEndpoint,
  mtuOf,
  openFastGroupSocket,
  openFastInterfaceSocket,
} from './udp-sockets.js';

/** The data group, and who takes part in it. */
export interface DataChannelOptions extends GroupEndpoint {
  readonly segment: string;
  readonly node: string;
  readonly segmentKey: FrameKeys;
}

export interface UdpDataChannel extends DataChannel {
  /** Frames that were not for this agent or not sound, by reason. */
  readonly dropped: Readonly<Record<DataDropReason, number>>;
  /** Datagrams that found the receive buffer full, since the group was joined; Linux only. */
  readonly overrun: number;
}

const ipAndUdpHeaderBytes = 28;
/** Frames fill whole pieces of the hash, so that they can be checked where they lie. */
const frameStepBytes = 32;
/** The group is left when nobody has listened for so long: joining costs the network something. */
const lingerMs = 10_000;
/** Then timers and the other sockets get their turn. */
const readsPerTurn = 32;
const rates = {
  loopback: { rateBytesPerS: 160_000_000, maxRateBytesPerS: 1_200_000_000 },
  network: { rateBytesPerS: 150_000_000, maxRateBytesPerS: 1_200_000_000 },
  portable: { rateBytesPerS: 60_000_000, maxRateBytesPerS: 160_000_000 },
};

/** Opens sockets only while something is sent or listened for: idle it costs nothing. */
export function udpDataChannel(options: DataChannelOptions): UdpDataChannel {
  const room = mtuOf(options.interfaceAddress) - ipAndUdpHeaderBytes - taggedHeaderBytes;
  const frameBytes = Math.floor(Math.min(maxContentBytes, room) / frameStepBytes) * frameStepBytes;
  const keys = ringOf(options.segmentKey);
  const listening = new GroupListener(options);
  return {
    address: options.address,
    port: options.port,
    frameBytes,
    dropped: listening.checker.dropped,
    get overrun() {
      return listening.overrun;
    },
    keyEpoch: () => keys.sending().epoch,
    cipherFor(digest, epoch) {
      const key = keys.find(epoch);
      return key && new ContentCipher(key, digest);
    },
    openSender: () => openSender(options, frameBytes),
    onFrames: (listener) => listening.add(listener),
    joined: () => listening.joined(),
    backlogShare: () => listening.backlogShare(),
    close: () => listening.close(),
  };
}

/** Hears the group while there are listeners, and a while longer. */
class GroupListener {
  readonly checker: FrameChecker;
  private readonly listeners = new Set<(frames: DataFrames) => void>();
  private opening?: Promise<FastSocket | undefined>;
  private current?: FastSocket;
  private lingering?: NodeJS.Timeout;

  constructor(private readonly options: DataChannelOptions) {
    this.checker = new FrameChecker(options.segment, options.node, options.segmentKey);
  }

  get overrun(): number {
    return this.current?.native?.queue().drops ?? 0;
  }

  async joined(): Promise<void> {
    await this.opening;
  }

  backlogShare(): number {
    return this.current?.native?.queue().usedShare ?? 0;
  }

  add(listener: (frames: DataFrames) => void): () => void {
    clearTimeout(this.lingering);
    this.listeners.add(listener);
    this.opening ??= this.join();
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size > 0) return;
      clearTimeout(this.lingering);
      this.lingering = setTimeout(() => this.close(), lingerMs).unref();
    };
  }

  close(): void {
    clearTimeout(this.lingering);
    this.listeners.clear();
    this.current = undefined;
    void this.opening?.then((opened) => opened?.socket.close());
    this.opening = undefined;
  }

  /** Without a socket nothing is heard, and the member asks for unicast in the end. */
  private async join(): Promise<FastSocket | undefined> {
    const opened = await openFastGroupSocket(this.options).catch(() => undefined);
    this.current = opened;
    opened?.socket.on('message', (datagram) => {
      this.checker.open(datagram, this.take);
      if (opened.native && this.current === opened) this.drain(opened.native);
    });
    return opened;
  }

  /** What else waits is read to where it is checked, without memory of its own. */
  private drain(native: UdpSocket): void {
    for (let read = 0; read < readsPerTurn; read++) {
      const length = native.receive(this.checker.room());
      if (length < 0) return;
      this.checker.openRead(length, this.take);
    }
  }

  private readonly take = (frames: DataFrames) => {
    for (const listener of this.listeners) listener(frames);
  };
}

async function openSender(options: DataChannelOptions, frameBytes: number): Promise<DataSender> {
  const datagramBytes = taggedHeaderBytes + frameBytes;
  const fast = await openFastInterfaceSocket(options.interfaceAddress, datagramBytes);
  const { socket, native } = fast;
  // A connected socket sends at once, without looking the address up for every frame.
  const connected = once(socket, 'connect');
  socket.connect(options.port, options.address);
  await connected;
  const tagger = new FrameTagger(options.segment, options.node, options.segmentKey);
  const train = new FrameTrain(fast, tagger, datagramBytes);
  const isLoopback = options.interfaceAddress.startsWith('127.');
  const rate = native ? (isLoopback ? rates.loopback : rates.network) : rates.portable;
  return {
    // Receivers are taken to have buffers like this host's. The kernel counts its own overhead too.
    burstBytes: socket.getRecvBufferSize() / 8,
    ...rate,
    send: (frames, frameBytes) => train.add(frames, frameBytes),
    flushed: () => train.flushed(),
    close: () => socket.close(),
  };
}
