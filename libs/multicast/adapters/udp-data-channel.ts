import { once } from 'node:events';
import { ContentCipher } from '../content-cipher.js';
import type { DataChannel, DataSender } from '../data-port.js';
import type { DataDropReason } from '../frame-checker.js';
import { FrameTagger } from '../frame-tagger.js';
import { type FrameKeys, ringOf } from '../sealed-frame.js';
import { maxContentBytes, taggedHeaderBytes } from '../tagged-frame.js';
import { FrameTrain } from './frame-train.js';
import { GroupListener } from './group-listener.js';
import { type GroupEndpoint, mtuOf, openFastInterfaceSocket } from './udp-sockets.js';

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
const rates = {
  loopback: { rateBytesPerS: 160_000_000, maxRateBytesPerS: 1_200_000_000 },
  network: { rateBytesPerS: 150_000_000, maxRateBytesPerS: 1_200_000_000 },
  portable: { rateBytesPerS: 60_000_000, maxRateBytesPerS: 160_000_000 },
};

/** Opens sockets only while something is sent or listened for: idle it costs nothing. */
export function udpDataChannel(options: DataChannelOptions): UdpDataChannel {
  const room = mtuOf(options.interfaceAddress) - ipAndUdpHeaderBytes - taggedHeaderBytes;
  const longest = taggedHeaderBytes + Math.min(maxContentBytes, room);
  const frameBytes = longest - (longest % frameStepBytes) - taggedHeaderBytes;
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
    catchUp: () => listening.drain(),
    backlogShare: () => listening.backlogShare(),
    close: () => listening.close(),
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
  const tagger = new FrameTagger(options.segment, options.segmentKey);
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
