import { createCipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { SegmentKey } from '#libs/keys/key-provider.js';
import { dataHeaderBytes } from './data-frame.js';
import { frameHashKernel, hashStrideBytes } from './kernels/frame-hash.js';
import type { Kernel } from './kernels/wasm-module.js';
import { shortHash } from './sealed-frame.js';

/*
 * Layout of a data frame on the network (big endian); all of it is under the tag.
 *
 *   0  2  magic "ES"
 *   2  1  version, 1
 *   3  1  frame type, 3
 *   4  4  key epoch
 *   8  8  segment: SHA-256(name), first 8 bytes
 *  16  8  sender: SHA-256(node name), first 8 bytes
 *  24  8  boot id: random, one per tagger
 *  32  6  sequence: rises by one per frame
 *  38  2  bytes of content
 *  40  8  tag: NH of the frame with zeros here, padded with zeros to 32 bytes, plus a pad that AES
 *         makes of the sequence
 *  48 16  data header, see data-frame.ts
 *  64  n  content
 *
 * A frame that is replayed says what has been said: there is no replay window.
 */
const magicAndType = 0x4553_0103;
const tagAt = 40;
export const taggedHeaderBytes = 48 + dataHeaderBytes;
export const maxContentBytes = 32 * 1024;
const maxFrameBytes = taggedHeaderBytes + maxContentBytes;
const padsPerChunk = 256;
const padBytes = 8;
/** Key of the hash, and the pads of a chunk. */
const slotBytes = maxFrameBytes + padsPerChunk * padBytes;
/** A datagram, what the hash reads beyond it, and room for the tag to compare. */
const datagramBytes = 65_536 + 2 * hashStrideBytes;

/** The keys of one sender's boot, and the pads in use: in a slot of the kernel's memory. */
class TagKey {
  private readonly hashKey: Buffer;
  private readonly padKey: Buffer;
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
    memory.fill(0, frame + tagAt, frame + tagAt + padBytes);
    memory.fill(0, frame + length, frame + strides(length));
    const chunk = Math.floor(sequence / padsPerChunk);
    const pads = this.slot + maxFrameBytes;
    if (chunk !== this.chunk) {
      const counter = Buffer.alloc(16);
      counter.writeBigUInt64BE(BigInt(chunk), 0);
      const stream = createCipheriv('aes-256-ctr', this.padKey, counter);
      memory.set(stream.update(Buffer.alloc(padsPerChunk * padBytes)), pads);
      this.chunk = chunk;
    }
    return pads + (sequence % padsPerChunk) * padBytes;
  }

  private extendHashKey(length: number): void {
    this.hashKeyBytes = length <= shortKeyBytes ? shortKeyBytes : maxFrameBytes;
    const stream = createCipheriv('aes-256-ctr', this.hashKey, Buffer.alloc(16));
    this.kernel.memory.set(stream.update(Buffer.alloc(this.hashKeyBytes)), this.slot);
  }
}

/** A key for frames of an Ethernet costs little; a stranger's frame must not cost more. */
const shortKeyBytes = 2_048;

const use = Buffer.from('espalier data frames');

function strides(length: number): number {
  return Math.ceil(length / hashStrideBytes) * hashStrideBytes;
}

/** Makes frames of one sender for one segment. Every tagger has a boot id, so no pad repeats. */
export class FrameTagger {
  private readonly kernel = frameHashKernel(slotBytes + maxFrameBytes + 2 * hashStrideBytes);
  private readonly template = Buffer.alloc(taggedHeaderBytes);
  private readonly key: TagKey;
  private sequence = 0;

  constructor(segment: string, node: string, segmentKey: SegmentKey) {
    this.template.writeUInt32BE(magicAndType, 0);
    this.template.writeUInt32BE(segmentKey.epoch, 4);
    shortHash(segment).copy(this.template, 8);
    shortHash(node).copy(this.template, 16);
    randomBytes(8).copy(this.template, 24);
    this.key = new TagKey(this.kernel, 0, segmentKey, this.template.subarray(16, 32));
  }

  /** Writes one frame into `target`, of data header and content. @returns its length */
  write(parts: readonly Uint8Array[], target: Buffer, offset: number): number {
    const { memory } = this.kernel;
    memory.set(this.template, slotBytes);
    let end = slotBytes + taggedHeaderBytes - dataHeaderBytes;
    for (const part of parts) {
      memory.set(part, end);
      end += part.length;
    }
    const length = end - slotBytes;
    memory.writeUIntBE(this.sequence, slotBytes + 32, 6);
    memory.writeUInt16BE(length - taggedHeaderBytes, slotBytes + 38);
    this.key.tag(slotBytes, length, this.sequence);
    this.sequence++;
    memory.copy(target, offset, slotBytes, end);
    return length;
  }
}

const dropReasons = [
  'malformed',
  'own',
  'other-segment',
  'other-type',
  'unknown-epoch',
  'forged',
] as const;
export type DataDropReason = (typeof dropReasons)[number];

/** Leaders change now and then; more than so many that send at once are not meant to be. */
const keptSenders = 4;

/** Checks frames of a segment, except the owner's own. */
export class FrameChecker {
  readonly dropped = Object.fromEntries(dropReasons.map((reason) => [reason, 0])) as Record<
    DataDropReason,
    number
  >;
  private kernel?: Kernel;
  private readonly segment: Buffer;
  private readonly node: Buffer;
  private readonly keys = new Map<string, { key: TagKey; slot: number }>();

  constructor(
    segment: string,
    node: string,
    private readonly segmentKey: SegmentKey,
  ) {
    this.segment = shortHash(segment);
    this.node = shortHash(node);
  }

  /**
   * The sound frames of a datagram, or of several that the kernel has joined; `take` gets the data
   * header and content, in memory that is good until it returns.
   */
  open(datagram: Uint8Array, take: (payload: Buffer) => void): void {
    const kernel = this.loaded();
    const base = (keptSenders + 1) * slotBytes;
    // Longer than a datagram can be: none of ours.
    const end = base + Math.min(datagram.length, 65_536);
    kernel.memory.set(datagram.subarray(0, end - base), base);
    for (let at = base; at < end; ) {
      const length = taggedHeaderBytes + kernel.memory.readUInt16BE(at + 38);
      // Only a last frame may leave a stride unfilled: what follows it in memory is zeroed.
      const isWhole = at + length === end || (at + length < end && length % hashStrideBytes === 0);
      if (!isWhole || length <= taggedHeaderBytes || length > maxFrameBytes) {
        this.drop('malformed');
        return;
      }
      const reason = this.reasonToDrop(kernel.memory, at, length, end);
      if (reason) this.drop(reason);
      else take(kernel.memory.subarray(at + 48, at + length));
      at += length;
    }
  }

  private reasonToDrop(
    memory: Buffer,
    at: number,
    length: number,
    end: number,
  ): DataDropReason | undefined {
    const kind = memory.readUInt32BE(at);
    if (kind !== magicAndType)
      return kind >>> 8 === magicAndType >>> 8 ? 'other-type' : 'malformed';
    if (memory.compare(this.segment, 0, 8, at + 8, at + 16) !== 0) return 'other-segment';
    if (memory.compare(this.node, 0, 8, at + 16, at + 24) === 0) return 'own';
    if (memory.readUInt32BE(at + 4) !== this.segmentKey.epoch) return 'unknown-epoch';
    const identity = memory.toString('latin1', at + 16, at + 32);
    const sequence = memory.readUIntBE(at + 32, 6);
    const scratch = strides(end) + hashStrideBytes;
    const known = this.keys.get(identity);
    // A stranger's key goes into a slot of its own until a frame proves that it holds the key.
    const key = known?.key ?? this.keyOf(memory.subarray(at + 16, at + 32), keptSenders);
    if (!key.isSound(at, length, sequence, scratch)) return 'forged';
    if (!known) this.remember(identity, memory.subarray(at + 16, at + 32));
    return undefined;
  }

  private remember(identity: string, bytes: Uint8Array): void {
    const oldest = this.keys.size < keptSenders ? undefined : this.keys.entries().next().value;
    const slot = oldest ? oldest[1].slot : this.keys.size;
    if (oldest) this.keys.delete(oldest[0]);
    this.keys.set(identity, { key: this.keyOf(bytes, slot), slot });
  }

  private keyOf(identity: Uint8Array, slot: number): TagKey {
    return new TagKey(this.loaded(), slot * slotBytes, this.segmentKey, identity);
  }

  private loaded(): Kernel {
    this.kernel ??= frameHashKernel((keptSenders + 1) * slotBytes + datagramBytes + slotBytes);
    return this.kernel;
  }

  private drop(reason: DataDropReason): void {
    this.dropped[reason]++;
  }
}
