import type { UdpSocket } from '#libs/native/udp-socket.js';
import type { DataFrames } from '../data-frame.js';
import { FrameChecker } from '../frame-checker.js';
import type { FrameKeys } from '../sealed-frame.js';
import { type GroupEndpoint, openGroupSocket, openPolledGroupSocket } from './udp-sockets.js';

/** The group is left when nobody has listened for so long: joining costs the network something. */
const lingerMs = 10_000;
/** Heaps of datagrams, after which timers and the other sockets get their turn. */
const heapsPerTurn = 4;
/**
 * How long frames may wait: several at once cost far less than one by one. The fuller the receive
 * buffer, the shorter. Who hears of the end of a pass looks at once.
 */
const looks = [
  { overShare: 0.1, everyMs: 1 },
  { overShare: 0.01, everyMs: 5 },
];
const calmLookEveryMs = 15;

/** A socket that is open; `native` when it is to be polled. */
interface Opened {
  readonly native?: UdpSocket;
  close(): void;
}

/** Hears the data group while there are listeners, and a while longer. */
export class GroupListener {
  readonly checker: FrameChecker;
  private readonly listeners = new Set<(frames: DataFrames) => void>();
  private opening?: Promise<Opened | undefined>;
  private current?: Opened;
  private lingering?: NodeJS.Timeout;
  private polling?: NodeJS.Timeout | NodeJS.Immediate;

  constructor(
    private readonly options: GroupEndpoint & {
      readonly segment: string;
      readonly node: string;
      readonly segmentKey: FrameKeys;
    },
  ) {
    this.checker = new FrameChecker(options.segment, options.segmentKey);
  }

  /** Datagrams that found the receive buffer full. */
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
    this.polling ??= setImmediate(this.poll);
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
    void this.opening?.then((opened) => opened?.close());
    this.opening = undefined;
  }

  /** Hears what has come so far. @returns whether more may wait */
  drain(): boolean {
    for (let heap = 0; heap < heapsPerTurn; heap++) {
      const { native } = this.current ?? {};
      if (!native || this.checker.openAll(native.receive, this.take) === 0) return false;
    }
    return true;
  }

  /** Without a socket nothing is heard, and the member asks for unicast in the end. */
  private async join(): Promise<Opened | undefined> {
    const opened = await this.opened().catch(() => undefined);
    this.current = opened;
    return opened;
  }

  private async opened(): Promise<Opened> {
    const native = openPolledGroupSocket(this.options);
    if (native) return { native, close: () => native.close() };
    const socket = await openGroupSocket(this.options);
    socket.on('message', (datagram) => this.checker.open(datagram, this.take));
    return { close: () => socket.close() };
  }

  /** As long as somebody listens. What comes later waits in the socket for the next who does. */
  private readonly poll = () => {
    this.polling = undefined;
    if (this.listeners.size === 0) return;
    if (this.current && !this.current.native) return;
    const share = this.backlogShare();
    const look = looks.find(({ overShare }) => share > overShare);
    const waitMs = look?.everyMs ?? calmLookEveryMs;
    const isBusy = this.drain();
    this.polling = isBusy ? setImmediate(this.poll) : setTimeout(this.poll, waitMs);
  };

  private readonly take = (frames: DataFrames) => {
    for (const listener of this.listeners) listener(frames);
  };
}
