import { randomBytes } from 'node:crypto';
import type { SegmentKeyRing } from '#libs/keys/segment-key-ring.js';
import { type DataFrames, dataField, sessionBytes } from './data-frame.js';
import { frameHashKernel, hashStrideBytes } from './kernels/frame-hash.js';
import { type FrameKeys, ringOf, shortHash } from './sealed-frame.js';
import {
  magicAndType,
  maxFrameBytes,
  segmentBytes,
  slotBytes,
  streamBytes,
  TagKey,
  taggedField,
  taggedHeaderBytes,
  viewOf,
} from './tagged-frame.js';

/** What one call to the kernel takes at most. */
const trainBytes = 65_536;
const trainAt = slotBytes;
/** Contents wait behind the train until they are spread over its frames. */
const contentAt = trainAt + trainBytes + hashStrideBytes;

/**
 * Makes frames for one segment, several in a row: a train. Every tagger is a stream of its own, so
 * no pad repeats. A new key of the segment is used from the next train on.
 */
export class FrameTagger {
  private readonly kernel = frameHashKernel(contentAt + trainBytes + maxFrameBytes);
  private readonly view = viewOf(this.kernel);
  private readonly template = Buffer.alloc(taggedHeaderBytes);
  private readonly keys: SegmentKeyRing;
  private key: TagKey;
  private epoch = 0;
  private sequence = 0;
  private session = '';

  constructor(segment: string, keys: FrameKeys) {
    this.keys = ringOf(keys);
    this.template.writeUInt32BE(magicAndType, 0);
    shortHash(segment).copy(this.template, taggedField.segment, 0, segmentBytes);
    randomBytes(streamBytes).copy(this.template, taggedField.stream);
    this.key = this.newestKey();
  }

  private newestKey(): TagKey {
    const key = this.keys.sending();
    if (key.epoch === this.epoch) return this.key;
    this.epoch = key.epoch;
    this.template.writeUInt32BE(key.epoch, taggedField.epoch);
    const { stream } = taggedField;
    return new TagKey(this.kernel, 0, key, this.template.subarray(stream, stream + streamBytes));
  }

  /**
   * Puts some of the frames in a row.
   * @param frameBytes of every content but the container's last
   * @returns bytes of the train, good until the next call
   */
  train(frames: DataFrames, frameBytes: number, from: number, count: number): Buffer {
    const { memory } = this.kernel;
    this.key = this.newestKey();
    this.about(frames);
    const content = frames.content.subarray(from * frameBytes, (from + count) * frameBytes);
    memory.set(content, contentAt);
    let at = trainAt;
    for (let frame = 0; frame < count; frame++) {
      const bytes = Math.min(frameBytes, content.length - frame * frameBytes);
      this.write(at, frames.number + from + frame, contentAt + frame * frameBytes, bytes);
      at += taggedHeaderBytes + bytes;
    }
    return memory.subarray(trainAt, at);
  }

  /** What all frames of a train have in common. */
  private about({ session, pass, repair }: DataFrames): void {
    const at = taggedField.dataHeader;
    if (session !== this.session) this.template.write(session, at, sessionBytes, 'hex');
    this.session = session;
    this.template.writeUInt16BE(pass, at + dataField.pass);
    this.template.writeUInt16BE(repair, at + dataField.repair);
  }

  private write(at: number, number: number, content: number, bytes: number): void {
    const { memory } = this.kernel;
    memory.set(this.template, at);
    const { sequence, contentBytes, dataHeader } = taggedField;
    this.view.setUint16(at + sequence, Math.floor(this.sequence / 2 ** 32));
    this.view.setUint32(at + sequence + 2, this.sequence >>> 0);
    this.view.setUint16(at + contentBytes, bytes);
    this.view.setUint32(at + dataHeader + dataField.number, number);
    memory.copyWithin(at + taggedHeaderBytes, content, content + bytes);
    this.key.tag(at, taggedHeaderBytes + bytes, this.sequence);
    this.sequence++;
  }
}
