import { hkdfSync } from 'node:crypto';
import type { SegmentKey } from '#libs/keys/key-provider.js';
import { aesCtr } from '#libs/native/aes-ctr.js';
import { hashStrideBytes } from './kernels/frame-hash.js';
import type { Kernel } from './kernels/wasm-module.js';

/*
 * Layout of a data frame on the network (big endian); all of it is under the tag.
 *
 *   0  2  magic "ES"
 *   2  1  version, 2
 *   3  1  frame type, 3
 *   4  4  segment: SHA-256(name), first 4 bytes
 *   8  4  key epoch
 *  12  6  stream: random, one per tagger
 *  18  6  sequence: rises by one per frame
 *  24  2  bytes of content
 *  26 14  data header, see data-frame.ts
 *  40  8  tag: NH of the frame with zeros here, padded with zeros to 32 bytes, plus a pad that AES
 *         makes of the sequence
 *  48  n  content
 *
 * A frame that is replayed says what has been said: there is no replay window. Who sent it does not
 * matter: whoever has the segment's key may.
 */
export const magicAndType = 0x4553_0203;
export const segmentBytes = 4;
export const streamBytes = 6;
export const tagAt = 40;
export const taggedField = {
  ...{ segment: 4, epoch: 8, stream: 12, sequence: 18, contentBytes: 24, dataHeader: 26 },
} as const;
export const taggedHeaderBytes = 48;
/** A multiple of the hash's stride. */
export const maxFrameBytes = 1_025 * hashStrideBytes;
export const maxContentBytes = maxFrameBytes - taggedHeaderBytes;
const padsPerChunk = 256;
const padBytes = 8;
/** Key of the hash, and the pads of a chunk. */
export const slotBytes = maxFrameBytes + padsPerChunk * padBytes;
/** A view of all of a kernel's memory. */
export function viewOf({ memory }: Kernel): DataView {
  return new DataView(memory.buffer, memory.byteOffset, memory.length);
}

const cipher = aesCtr();

/** The keys of one sender's boot, and the pads in use: in a slot of the kernel's memory. */
export class TagKey {
  private readonly hashKey: Buffer;
  private readonly padKey: Buffer;
  private readonly view: DataView;
  private hashKeyBytes = 0;
  private chunk = -1;

  constructor(
    private readonly kernel: Kernel,
    private readonly slot: number,
    segmentKey: SegmentKey,
    identity: Uint8Array,
  ) {
    const derived = hkdfSync('sha256', segmentKey.key, '', Buffer.concat([use, identity]), 64);
    this.hashKey = Buffer.from(derived, 0, 32);
    this.padKey = Buffer.from(derived, 32);
    this.view = viewOf(kernel);
  }

  /** Writes the tag of the frame at `frame`. */
  tag(frame: number, length: number, sequence: number): void {
    const padAt = this.prepared(frame, length, sequence);
    this.kernel.run.tag?.(frame, this.slot, strides(length), padAt, frame + tagAt);
  }

  isSound(frame: number, length: number, sequence: number, scratch: number): boolean {
    const { memory, run } = this.kernel;
    memory.copyWithin(scratch, frame + tagAt, frame + tagAt + padBytes);
    const padAt = this.prepared(frame, length, sequence);
    return run.check?.(frame, this.slot, strides(length), padAt, scratch) === 1;
  }

  /** @returns where the pad is */
  private prepared(frame: number, length: number, sequence: number): number {
    const { memory } = this.kernel;
    if (length > this.hashKeyBytes) this.extendHashKey(length);
    this.view.setUint32(frame + tagAt, 0);
    this.view.setUint32(frame + tagAt + 4, 0);
    if (length % hashStrideBytes > 0) memory.fill(0, frame + length, frame + strides(length));
    const chunk = Math.floor(sequence / padsPerChunk);
    const pads = this.slot + maxFrameBytes;
    if (chunk !== this.chunk) {
      const counter = Buffer.alloc(16);
      counter.writeBigUInt64BE(BigInt(chunk), 0);
      memory.fill(0, pads, pads + padsPerChunk * padBytes);
      const stream = memory.subarray(pads, pads + padsPerChunk * padBytes);
      cipher(this.padKey, counter, 0, stream, stream);
      this.chunk = chunk;
    }
    return pads + (sequence % padsPerChunk) * padBytes;
  }

  private extendHashKey(length: number): void {
    this.hashKeyBytes = length <= shortKeyBytes ? shortKeyBytes : maxFrameBytes;
    const { memory } = this.kernel;
    memory.fill(0, this.slot, this.slot + this.hashKeyBytes);
    const stream = memory.subarray(this.slot, this.slot + this.hashKeyBytes);
    cipher(this.hashKey, Buffer.alloc(16), 0, stream, stream);
  }
}

/** A key for frames of an Ethernet costs little; a stranger's frame must not cost more. */
const shortKeyBytes = 2_048;

const use = Buffer.from('espalier data frames');

export function strides(length: number): number {
  return Math.ceil(length / hashStrideBytes) * hashStrideBytes;
}
