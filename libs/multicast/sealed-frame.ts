import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import type { SegmentKey } from '#libs/keys/key-provider.js';
import { SegmentKeyRing } from '#libs/keys/segment-key-ring.js';
import { ReplayWindow } from './replay-window.js';
import { StrangerLimit } from './stranger-limit.js';

/*
 * Layout of a frame (big endian). The header is authenticated, the payload encrypted as well.
 *
 *   0  2  magic "ES"
 *   2  1  version, 1
 *   3  1  frame type
 *   4  4  key epoch
 *   8  8  segment: SHA-256(name), first 8 bytes
 *  16  8  sender: SHA-256(node name), first 8 bytes
 *  24  8  boot id: random, new at every start of the sender
 *  32  8  sequence: rises by one per frame of the sender's boot
 *  40  n  payload, AES-256-GCM
 *      16 tag
 */
export const headerBytes = 40;
export const tagBytes = 16;
export const frameOverheadBytes = headerBytes + tagBytes;

export const frameTypes = { control: 1, data: 2 } as const;
export type FrameType = (typeof frameTypes)[keyof typeof frameTypes];

/** A frame that was opened: who sent it, which one it is, what it says. */
export interface OpenedFrame {
  readonly type: FrameType;
  /** Hex, first 8 bytes of SHA-256 of the sender's node name. */
  readonly sender: string;
  readonly bootId: bigint;
  readonly sequence: bigint;
  readonly payload: Uint8Array;
  /** The frame's first 40 bytes: what a signature over the payload must be bound to. */
  readonly header: Uint8Array;
}

/** One key for ever, or the keys of a segment over time. */
export type FrameKeys = SegmentKey | SegmentKeyRing;

/** Why a frame was dropped; `undefined` results are counted by reason. */
export type DropReason = (typeof dropReasons)[number];

/*
 * `limited`: too many of strangers. `forged`: not sealed by the segment's key. `impostor`: sealed,
 * but not signed by whom it names. `stale`: sound, but of a retired key, an earlier boot or another
 * time. `duplicate`: of a name that two living agents use.
 */
const dropReasons = [
  'malformed',
  'own',
  'other-segment',
  'other-type',
  'unknown-epoch',
  'limited',
  'replayed',
  'forged',
  'impostor',
  'stale',
  'duplicate',
] as const;

/** How many frames were dropped, by reason. */
export type DropCounts = Record<DropReason, number>;

export function noDrops(): DropCounts {
  return Object.fromEntries(dropReasons.map((reason) => [reason, 0])) as DropCounts;
}

export function shortHash(name: string): Buffer {
  return createHash('sha256').update(name).digest().subarray(0, 8);
}

const senderIds = new Map<string, string>();
const maxSenderIds = 16_384;

/** The sender of a frame as its header names it; hex. */
export function senderIdOf(node: string): string {
  const known = senderIds.get(node);
  if (known) return known;
  if (senderIds.size >= maxSenderIds) senderIds.clear();
  const id = shortHash(node).toString('hex');
  senderIds.set(node, id);
  return id;
}

/**
 * Seals frames of one sender for one segment. The key is bound to sender and boot id, so no nonce
 * repeats as long as every sealer has a boot id of its own: leave it out to get a random one.
 */
export class FrameSealer {
  private sequence = 0n;
  private readonly template: Buffer;
  private readonly keys: SegmentKeyRing;
  private key: Buffer;
  private epoch: number;

  constructor(
    segment: string,
    node: string,
    keys: FrameKeys,
    readonly bootId: bigint = randomBytes(8).readBigUInt64BE(),
  ) {
    this.keys = ringOf(keys);
    this.template = Buffer.alloc(headerBytes);
    this.template.write('ES', 0, 'latin1');
    this.template[2] = version;
    shortHash(segment).copy(this.template, 8);
    shortHash(node).copy(this.template, 16);
    this.template.writeBigUInt64BE(bootId, 24);
    const { epoch, key } = this.keys.sending();
    this.epoch = epoch;
    this.key = senderKey(key, this.template);
  }

  seal(type: FrameType, payload: Uint8Array): Buffer {
    return Buffer.concat(this.sealParts(type, [payload]));
  }

  /** One frame in parts that follow each other, so that a socket can gather them uncopied. */
  sealParts(type: FrameType, payload: readonly Uint8Array[]): Buffer[] {
    const header = this.nextHeader(type);
    return this.sealAfter(header, payload);
  }

  /** A frame whose payload depends on its header. */
  sealBound(type: FrameType, payloadFor: (header: Buffer) => Uint8Array): Buffer {
    const header = this.nextHeader(type);
    return Buffer.concat(this.sealAfter(header, [payloadFor(header)]));
  }

  private nextHeader(type: FrameType): Buffer {
    const { epoch, key } = this.keys.sending();
    if (epoch !== this.epoch) {
      this.epoch = epoch;
      this.key = senderKey(key, this.template);
    }
    const header = Buffer.from(this.template);
    header[3] = type;
    header.writeUInt32BE(epoch, 4);
    header.writeBigUInt64BE(this.sequence++, 32);
    return header;
  }

  private sealAfter(header: Buffer, payload: readonly Uint8Array[]): Buffer[] {
    const cipher = createCipheriv('aes-256-gcm', this.key, nonceOf(header), {
      authTagLength: tagBytes,
    });
    cipher.setAAD(header);
    const parts = [header, ...payload.map((part) => cipher.update(part))];
    cipher.final();
    return [...parts, cipher.getAuthTag()];
  }
}

interface Sender {
  readonly key: Buffer;
  readonly window: ReplayWindow;
  /** Hex. */
  readonly name: string;
  readonly bootId: bigint;
}

export interface OpenerOptions {
  /** Only this boot's frames are the owner's own; left out, all in its name are. */
  readonly ownBootId?: bigint;
  /** Needed to limit what strangers may cost. */
  readonly nowMs?: () => number;
}

/**
 * Opens frames of one type of one segment, except the owner's own. It remembers a replay window per
 * sender and boot. What it cannot know: frames from before it was made that are replayed to it for
 * the first time; their content has to stand repetition, or to tell its time.
 */
export class FrameOpener {
  readonly dropped = noDrops();
  private readonly segment: Buffer;
  private readonly node: Buffer;
  private readonly keys: SegmentKeyRing;
  private readonly senders = new Map<string, Sender>();
  private readonly strangers = new StrangerLimit();

  constructor(
    private readonly type: FrameType,
    segment: string,
    node: string,
    keys: FrameKeys,
    private readonly options: OpenerOptions = {},
  ) {
    this.segment = shortHash(segment);
    this.node = shortHash(node);
    this.keys = ringOf(keys);
  }

  /** `undefined`: dropped. The checks go from cheap to dear. `source`: the sending host. */
  open(frame: Uint8Array, source = ''): OpenedFrame | undefined {
    const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
    const reason = this.reasonToDrop(bytes);
    if (reason) return this.drop(reason);
    const identity = bytes.toString('latin1', 4, 32);
    const sequence = bytes.readBigUInt64BE(32);
    const known = this.senders.get(identity);
    if (known && !known.window.isFresh(sequence)) return this.drop('replayed');
    const sender = known ?? this.stranger(bytes, source);
    if (!sender) return this.drop('limited');
    const payload = decrypt(sender.key, bytes);
    if (!payload) return this.drop('forged');
    if (!known) this.remember(identity, sender);
    sender.window.mark(sequence);
    const { type } = this;
    const header = bytes.subarray(0, headerBytes);
    return { type, sender: sender.name, bootId: sender.bootId, sequence, payload, header };
  }

  private reasonToDrop(bytes: Buffer): DropReason | undefined {
    if (bytes.length < frameOverheadBytes) return 'malformed';
    if (bytes.readUInt16BE(0) !== magic || bytes[2] !== version) return 'malformed';
    if (bytes.compare(this.segment, 0, 8, 8, 16) !== 0) return 'other-segment';
    if (bytes.compare(this.node, 0, 8, 16, 24) === 0 && this.isOwnBoot(bytes)) return 'own';
    if (bytes[3] !== this.type) return 'other-type';
    const standing = this.keys.standing(bytes.readUInt32BE(4));
    if (standing === 'retired') return 'stale';
    return standing === 'unknown' ? 'unknown-epoch' : undefined;
  }

  private isOwnBoot(bytes: Buffer): boolean {
    const { ownBootId } = this.options;
    return ownBootId === undefined || bytes.readBigUInt64BE(24) === ownBootId;
  }

  private stranger(bytes: Buffer, source: string): Sender | undefined {
    const { nowMs } = this.options;
    if (nowMs && !this.strangers.allows(source, nowMs())) return undefined;
    const segmentKey = this.keys.find(bytes.readUInt32BE(4));
    if (!segmentKey) return undefined;
    const key = senderKey(segmentKey.key, bytes);
    const name = bytes.toString('hex', 16, 24);
    return { key, window: new ReplayWindow(), name, bootId: bytes.readBigUInt64BE(24) };
  }

  /** Only holders of the key get here, but each of their restarts adds one: the oldest go. */
  private remember(identity: string, sender: Sender): void {
    if (this.senders.size >= maxSenders) {
      const [oldest] = this.senders.keys();
      if (oldest !== undefined) this.senders.delete(oldest);
    }
    this.senders.set(identity, sender);
  }

  private drop(reason: DropReason): undefined {
    this.dropped[reason]++;
    return undefined;
  }
}

const magic = 0x4553;
const version = 1;
const maxSenders = 16_384;

export function ringOf(keys: FrameKeys): SegmentKeyRing {
  return keys instanceof SegmentKeyRing ? keys : SegmentKeyRing.of(keys);
}

function senderKey(segmentKey: Uint8Array, header: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', segmentKey, '', header.subarray(16, 32), 32));
}

function nonceOf(header: Buffer): Buffer {
  const nonce = Buffer.alloc(12);
  header.copy(nonce, 4, 32, 40);
  return nonce;
}

function decrypt(key: Buffer, frame: Buffer): Uint8Array | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(frame), {
    authTagLength: tagBytes,
  });
  decipher.setAAD(frame.subarray(0, headerBytes));
  decipher.setAuthTag(frame.subarray(frame.length - tagBytes));
  try {
    const payload = decipher.update(frame.subarray(headerBytes, frame.length - tagBytes));
    decipher.final();
    return payload;
  } catch {
    return undefined;
  }
}
