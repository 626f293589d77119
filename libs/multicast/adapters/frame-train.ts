import type { DataFrames } from '../data-frame.js';
import type { FrameTagger } from '../frame-tagger.js';
import type { FastSocket } from './udp-sockets.js';

const maxTrainBytes = 65_507;
/** As many as the kernel cuts at once (UDP_MAX_SEGMENTS of older kernels). */
const maxTrainFrames = 64;

const keptBuffers = 16;

/** Frames on their way to the kernel: several in one call where it cuts them, else one by one. */
export class FrameTrain {
  private readonly limit: number;
  private cuts: boolean;
  /** Buffers of trains that have left. */
  private readonly spare: Buffer[] = [];
  private underWay = 0;
  private whenFlushed: (() => void)[] = [];

  constructor(
    private readonly fast: FastSocket,
    private readonly tagger: FrameTagger,
    private readonly datagramBytes: number,
  ) {
    this.cuts = fast.native !== undefined;
    this.limit = Math.min(maxTrainFrames, Math.max(1, Math.floor(maxTrainBytes / datagramBytes)));
  }

  add(frames: DataFrames, frameBytes: number): void {
    for (let from = 0; from < frames.count; ) {
      const count = Math.min(this.cuts ? this.limit : 1, frames.count - from);
      this.leave(this.tagger.train(frames, frameBytes, from, count));
      from += count;
    }
  }

  /** Resolves when everything so far has left this host; `undefined`: it has. */
  flushed(): Promise<void> | undefined {
    if (this.underWay === 0) return undefined;
    return new Promise((resolve) => this.whenFlushed.push(resolve));
  }

  private leave(train: Buffer): void {
    // Where the kernel has room, a train leaves from where it was made.
    if (this.underWay === 0 && this.cuts && this.fast.native?.send(train)) return;
    const bytes = this.spare.pop() ?? Buffer.allocUnsafeSlow(this.limit * this.datagramBytes);
    bytes.set(train);
    const datagrams = bytes.subarray(0, train.length);
    this.send(datagrams, (error) => {
      if (error && this.cuts && datagrams.length > this.datagramBytes) this.sendSingly(datagrams);
      else if (!error && this.spare.length < keptBuffers) this.spare.push(bytes);
    });
  }

  /** Some devices cannot cut: from now on every frame goes by itself. */
  private sendSingly(train: Buffer): void {
    this.cuts = false;
    this.fast.native?.setSegmentBytes(0);
    for (let at = 0; at < train.length; at += this.datagramBytes) {
      this.send(train.subarray(at, at + this.datagramBytes), () => undefined);
    }
  }

  private send(datagram: Buffer, then: (error: Error | null) => void): void {
    this.underWay++;
    this.fast.socket.send(datagram, (error) => {
      then(error);
      this.underWay--;
      if (this.underWay > 0) return;
      for (const resolve of this.whenFlushed.splice(0)) resolve();
    });
  }
}
