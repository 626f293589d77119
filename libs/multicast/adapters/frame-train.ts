import type { FrameTagger } from '../tagged-frame.js';
import type { FastSocket } from './udp-sockets.js';

const maxTrainBytes = 65_507;
/** As many as the kernel cuts at once (UDP_MAX_SEGMENTS of older kernels). */
const maxTrainFrames = 64;

const keptBuffers = 16;

/** Frames on their way to the kernel: several in one call where it cuts them, else one by one. */
export class FrameTrain {
  private readonly limit: number;
  private cuts: boolean;
  private bytes: Buffer = Buffer.alloc(0);
  private length = 0;
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

  add(parts: readonly Uint8Array[]): void {
    const frames = this.cuts ? this.limit : 1;
    if (this.length === 0) {
      const bytes = frames * this.datagramBytes;
      const spare = this.cuts ? this.spare.pop() : undefined;
      this.bytes = spare ?? Buffer.allocUnsafeSlow(bytes);
    }
    const written = this.tagger.write(parts, this.bytes, this.length);
    this.length += written;
    const isFull = this.length + this.datagramBytes > this.bytes.length;
    // Only the last frame of a train may be shorter.
    if (isFull || written < this.datagramBytes) this.leave();
  }

  /** Resolves when everything so far has left this host. */
  flushed(): Promise<void> {
    if (this.length > 0) this.leave();
    if (this.underWay === 0) return Promise.resolve();
    return new Promise((resolve) => this.whenFlushed.push(resolve));
  }

  private leave(): void {
    const { bytes } = this;
    const train = bytes.subarray(0, this.length);
    this.length = 0;
    this.send(train, (error) => {
      if (error && this.cuts && train.length > this.datagramBytes) this.sendSingly(train);
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
