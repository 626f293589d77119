import type { SegmentKey } from '#libs/keys/key-provider.js';
import type { SegmentKeyRing } from '#libs/keys/segment-key-ring.js';
import type { DataFrames } from './data-frame.js';
import { FrameGatherer } from './frame-gatherer.js';
import { frameHashKernel, hashStrideBytes } from './kernels/frame-hash.js';
import type { Kernel } from './kernels/wasm-module.js';
import { type FrameKeys, ringOf, shortHash } from './sealed-frame.js';
import {
  magicAndType,
  maxFrameBytes,
  segmentBytes,
  slotBytes,
  streamBytes,
  strides,
  TagKey,
  taggedField,
  taggedHeaderBytes,
  viewOf,
} from './tagged-frame.js';

const dropReasons = [
  'malformed',
  'other-segment',
  'other-type',
  'unknown-epoch',
  'stale',
  'forged',
] as const;
export type DataDropReason = (typeof dropReasons)[number];

/** Leaders change now and then; more than so many that send at once are not meant to be. */
const keptStreams = 4;
/** What all frames of a stream begin with. */
const headBytes = taggedField.stream + streamBytes;
/** Where datagrams lie in the kernel's memory; a multiple of the hash's stride. */
const base = (keptStreams + 1) * strides(slotBytes);
/** Datagrams that are read together: several, for what follows them costs less by the heap. */
const roomEnd = base + 4 * 65_536;
const mostAtOnce = 512;
/** Where a frame's tag is put while it is checked: beyond all datagrams. */
const scratch = roomEnd + 2 * hashStrideBytes;

interface Stream {
  readonly epoch: number;
  readonly key: TagKey;
  readonly slot: number;
}

/** The kernel, and what depends on its memory. */
interface Loaded {
  readonly kernel: Kernel;
  readonly view: DataView;
  readonly gatherer: FrameGatherer;
}

/** Checks frames of a segment. */
export class FrameChecker {
  readonly dropped = Object.fromEntries(dropReasons.map((reason) => [reason, 0])) as Record<
    DataDropReason,
    number
  >;
  private loadedOnce?: Loaded;
  private readonly segment: Buffer;
  private readonly keys: SegmentKeyRing;
  private readonly streams = new Map<string, Stream>();
  /** What the last sound frame began with, and its stream. */
  private readonly lastHead = new DataView(new ArrayBuffer(headBytes));
  private last?: Stream;

  constructor(segment: string, keys: FrameKeys) {
    this.keys = ringOf(keys);
    this.segment = shortHash(segment).subarray(0, segmentBytes);
  }

  /**
   * The sound frames of a datagram, or of several that the kernel has joined; `take` gets as many
   * at once as follow each other, in memory that is good until it returns.
   */
  open(datagram: Uint8Array, take: (frames: DataFrames) => void): void {
    this.openAll(
      (room) => {
        // Longer than a datagram can be: none of ours.
        const length = Math.min(datagram.length, room.length);
        room.set(length < datagram.length ? datagram.subarray(0, length) : datagram);
        return length;
      },
      take,
      1,
    );
  }

  /**
   * The same for datagrams that `receive` puts into `room`, until one has a negative length, there
   * are `most` of them, or the memory is full.
   * @returns how many
   */
  openAll(
    receive: (room: Uint8Array) => number,
    take: (frames: DataFrames) => void,
    most = mostAtOnce,
  ): number {
    const { kernel, gatherer } = this.loaded();
    const borders: number[] = [];
    for (let at = base; at + 65_536 <= roomEnd && borders.length < 2 * most; ) {
      const length = receive(kernel.memory.subarray(at, at + 65_536));
      if (length < 0) break;
      borders.push(at, at + length);
      at = strides(at + length);
    }
    if (this.last && !this.keys.find(this.last.epoch)) this.last = undefined;
    gatherer.begin(base, take);
    for (let border = 0; border < borders.length; border += 2) {
      this.openFrames(borders[border] ?? 0, borders[border + 1] ?? 0, gatherer);
    }
    gatherer.flush();
    return borders.length / 2;
  }

  /** The frames of one datagram, which ends at `end`. */
  private openFrames(start: number, end: number, gatherer: FrameGatherer): void {
    const { view } = this.loaded();
    for (let at = start; at < end; ) {
      const frameLength = taggedHeaderBytes + view.getUint16(at + taggedField.contentBytes);
      // Only a last frame may leave a stride unfilled: what follows it in memory is zeroed.
      const isLast = at + frameLength === end;
      const isWhole = isLast || (at + frameLength < end && frameLength % hashStrideBytes === 0);
      if (!isWhole || frameLength <= taggedHeaderBytes || frameLength > maxFrameBytes) {
        this.dropped.malformed++;
        return;
      }
      const reason = this.reasonToDrop(at, frameLength);
      if (reason) this.dropped[reason]++;
      else gatherer.add(at, frameLength);
      at += frameLength;
    }
  }

  private reasonToDrop(at: number, length: number): DataDropReason | undefined {
    const { view } = this.loaded();
    const from = at + taggedField.sequence;
    const sequence = view.getUint16(from) * 2 ** 32 + view.getUint32(from + 2);
    if (this.last && this.isLastHead(at)) {
      return this.last.key.isSound(at, length, sequence, scratch) ? undefined : 'forged';
    }
    return this.reasonToDropStranger(at, length, sequence);
  }

  private reasonToDropStranger(
    at: number,
    length: number,
    sequence: number,
  ): DataDropReason | undefined {
    const { memory } = this.loaded().kernel;
    const kind = memory.readUInt32BE(at);
    if (kind !== magicAndType)
      return kind >>> 8 === magicAndType >>> 8 ? 'other-type' : 'malformed';
    const { segment, epoch: epochAt, stream: streamAt } = taggedField;
    if (memory.compare(this.segment, 0, segmentBytes, at + segment, at + epochAt) !== 0) {
      return 'other-segment';
    }
    const epoch = memory.readUInt32BE(at + epochAt);
    const segmentKey = this.keys.find(epoch);
    if (!segmentKey) return this.keys.standing(epoch) === 'retired' ? 'stale' : 'unknown-epoch';
    const identity = memory.toString('latin1', at + epochAt, at + headBytes);
    const known = this.streams.get(identity);
    // A stranger's key goes into a slot of its own until a frame proves that it holds the key.
    const bytes = memory.subarray(at + streamAt, at + headBytes);
    const { key } = known ?? this.streamOf(segmentKey, bytes, keptStreams);
    if (!key.isSound(at, length, sequence, scratch)) return 'forged';
    this.last = known ?? this.remember(segmentKey, identity, bytes);
    for (let byte = 0; byte < headBytes; byte += 2) {
      this.lastHead.setUint16(byte, memory.readUInt16BE(at + byte));
    }
    return undefined;
  }

  private isLastHead(at: number): boolean {
    const { view } = this.loaded();
    for (let word = 0; word + 4 <= headBytes; word += 4) {
      if (this.lastHead.getUint32(word) !== view.getUint32(at + word)) return false;
    }
    return this.lastHead.getUint16(headBytes - 2) === view.getUint16(at + headBytes - 2);
  }

  private remember(segmentKey: SegmentKey, identity: string, bytes: Uint8Array): Stream {
    const oldest =
      this.streams.size < keptStreams ? undefined : this.streams.entries().next().value;
    if (oldest) this.streams.delete(oldest[0]);
    const stream = this.streamOf(segmentKey, bytes, oldest ? oldest[1].slot : this.streams.size);
    this.streams.set(identity, stream);
    return stream;
  }

  private streamOf(segmentKey: SegmentKey, identity: Uint8Array, slot: number): Stream {
    const { kernel } = this.loaded();
    const address = slot * strides(slotBytes);
    const key = new TagKey(kernel, address, segmentKey, identity);
    return { epoch: segmentKey.epoch, key, slot };
  }

  private loaded(): Loaded {
    if (this.loadedOnce) return this.loadedOnce;
    const kernel = frameHashKernel(scratch + hashStrideBytes);
    const view = viewOf(kernel);
    this.loadedOnce = { kernel, view, gatherer: new FrameGatherer(kernel.memory, view) };
    return this.loadedOnce;
  }
}
