import { create } from '@bufbuild/protobuf';
import type { Cancel, Clock } from '#libs/clock/clock.js';
import {
  type ControlMessage,
  ControlMessageSchema,
  type SessionAnnouncement,
  SessionAnnouncementSchema,
} from '#libs/contracts/index.js';
import type { ContentCipher } from '../content-cipher.js';
import type { ControlPort, ReceivedControl, UdpAddress } from '../control-port.js';
import { sessionIdOf } from '../data-frame.js';
import type { DataChannel, DataSender } from '../data-port.js';
import type { FrameRun } from '../frame-set.js';
import { type Geometry, geometryOf, rangeOfRun } from '../geometry.js';
import { neededIn } from '../missing-frames.js';
import { newPace } from '../pace.js';
import type { PassItem } from '../pass-plan.js';
import { RepairMaker } from '../repair-maker.js';
import { shortHash } from '../sealed-frame.js';
import { stepSender } from '../sender.js';
import { roomBeside } from '../sender-pace.js';
import {
  initialSender,
  type SenderEffect,
  type SenderInput,
  type SenderState,
} from '../sender-state.js';
import {
  type ByteRange,
  inlineBytes,
  type SessionOutcome,
  type SessionSubject,
} from '../session.js';
import { inlineFrameBytes, inlineSender } from './inline-sender.js';

/** A member that is to receive the container. */
export interface Participant {
  readonly node: string;
  /** Its unicast control address. */
  readonly address: UdpAddress;
}

/** What a host sends over, besides sessions too. */
export interface OwnLink {
  readonly bytesPerS: number;
  /** What others pull over it now. */
  readonly servedBytesPerS: () => number;
}

export interface SendSessionOptions {
  readonly control: ControlPort;
  readonly data: DataChannel;
  readonly clock: Clock;
  readonly subject: SessionSubject;
  readonly participants: readonly Participant[];
  /** Exactly `length` bytes of the container from `offset`, good until the next call. */
  readonly read: (offset: number, length: number) => Uint8Array | Promise<Uint8Array>;
  /** This host's own link: what else leaves over it has room. */
  readonly ownLink?: OwnLink;
  /** So many complete participants suffice: the others are left to unicast. Without: all. */
  readonly quorum?: number;
  /** Told each announcement: the newest one belongs into Leader Alive while the session runs. */
  readonly onAnnouncement?: (announcement: SessionAnnouncement) => void;
}

/**
 * Sends a container to the participants; resolves when each has it or is left to unicast.
 * @throws ImpossibleSession and whatever `read` throws
 */
export async function sendSession(options: SendSessionOptions): Promise<SessionOutcome> {
  const isInline = options.subject.containerBytes <= inlineBytes;
  const sender = isInline ? inlineSender(options.control) : await options.data.openSender();
  try {
    return await new Promise<SessionOutcome>((resolve, reject) => {
      new SendingSession(options, sender, resolve, reject).start();
    });
  } finally {
    sender.close();
  }
}

/** What is read, hidden and sent in one go. */
const pieceBytes = 256 * 1024;

type RepairItem = Extract<PassItem, { type: 'repair' }>;

class SendingSession {
  private readonly geometry: Geometry;
  private readonly isInline: boolean;
  private readonly cipher?: ContentCipher;
  /** Of the content: a rotation meanwhile changes how frames are tagged, not what is in them. */
  private readonly keyEpoch: number;
  private readonly repairs: RepairMaker;
  /** A member has lost frames of the first pass: repair frames will be asked for. */
  private isLossy = false;
  private scratch = Buffer.alloc(0);
  private readonly sessionId: Uint8Array;
  private readonly session: string;
  private readonly addresses: ReadonlyMap<string, UdpAddress>;
  private readonly stopListening: () => void;
  private state: SenderState;
  private timer: Cancel = () => undefined;

  constructor(
    private readonly options: SendSessionOptions,
    private readonly sender: DataSender,
    private readonly resolve: (outcome: SessionOutcome) => void,
    private readonly reject: (error: unknown) => void,
  ) {
    const { subject, data, participants, clock, control } = options;
    this.isInline = subject.containerBytes <= inlineBytes;
    const frameBytes = this.isInline ? inlineFrameBytes : data.frameBytes;
    this.geometry = geometryOf(subject.containerBytes, subject.headBytes, frameBytes);
    this.keyEpoch = this.isInline ? 0 : data.keyEpoch();
    if (!this.isInline) this.cipher = data.cipherFor(subject.containerDigest, this.keyEpoch);
    this.repairs = new RepairMaker(this.geometry, (range) => this.hidden(range));
    this.sessionId = sessionIdOf(subject.containerDigest);
    this.session = Buffer.from(this.sessionId).toString('hex');
    this.addresses = new Map(participants.map(({ node, address }) => [node, address]));
    const pace = newPace(sender, clock.nowMs());
    this.state = initialSender(this.geometry, [...this.addresses.keys()], pace, options.quorum);
    this.stopListening = control.onMessage((received) => this.heard(received));
  }

  start(): void {
    this.step({ type: 'start' });
  }

  private step(input: SenderInput): void {
    const { clock } = this.options;
    const [state, effects] = stepSender(this.state, input, clock.nowMs());
    this.state = state;
    this.timer();
    if (state.wakeAtMs !== undefined) {
      const delayMs = Math.max(0, state.wakeAtMs - clock.nowMs());
      this.timer = clock.schedule(delayMs, () => this.step({ type: 'tick' }));
    }
    for (const effect of effects) this.perform(effect);
  }

  private giveRoom(): void {
    const { ownLink } = this.options;
    if (!ownLink) return;
    const bytesPerS = roomBeside(ownLink.bytesPerS, ownLink.servedBytesPerS());
    this.step({ type: 'room', bytesPerS });
  }

  private perform(effect: SenderEffect): void {
    switch (effect.type) {
      case 'announce':
        this.announce(effect);
        this.giveRoom();
        break;
      case 'send':
        this.send(effect.pass, effect.items).then(
          () => this.step({ type: 'sent' }),
          (error: unknown) => this.end(() => this.reject(error)),
        );
        break;
      case 'finished':
        this.end(() => this.resolve(effect.outcome));
    }
  }

  private end(settle: () => void): void {
    this.timer();
    this.stopListening();
    settle();
  }

  private announce(effect: Extract<SenderEffect, { type: 'announce' }>): void {
    const { control, data, subject, clock } = this.options;
    const announcement = create(SessionAnnouncementSchema, {
      sessionId: this.sessionId,
      assignmentId: subject.assignmentId,
      containerDigest: subject.containerDigest,
      containerBytes: BigInt(subject.containerBytes),
      headBytes: subject.headBytes,
      frameBytes: this.geometry.frameBytes,
      rateBytesPerS: BigInt(effect.rateBytesPerS),
      participants: [...effect.participants],
      dataAddress: this.isInline ? '' : data.address,
      dataPort: this.isInline ? 0 : data.port,
      unicastUrl: subject.unicastUrl,
      traceparent: subject.traceparent ?? '',
      keyEpoch: this.keyEpoch,
      pass: effect.pass,
      passEnded: effect.passEnded,
      stampMs: clock.nowMs(),
    });
    const message: ControlMessage = create(ControlMessageSchema, {
      message: { case: 'sessionAnnouncement', value: announcement },
    });
    control.broadcast(message);
    for (const node of effect.unicastTo) {
      const address = this.addresses.get(node);
      if (address) control.send(message, address);
    }
    // What is repeated later would make the way look longer than it is.
    this.options.onAnnouncement?.({ ...announcement, stampMs: 0 });
  }

  private async send(pass: number, items: readonly PassItem[]): Promise<void> {
    for (const item of items) {
      if (item.type === 'repair') await this.sendRepair(pass, item);
      else await this.sendFrames(pass, item);
    }
    await this.sender.flushed();
  }

  /** Piece by piece, each while it is in the CPU's cache. */
  private async sendFrames(pass: number, run: FrameRun): Promise<void> {
    const { frameBytes } = this.geometry;
    const pieceFrames = Math.ceil(pieceBytes / frameBytes);
    for (let done = 0; done < run.count; done += pieceFrames) {
      const number = run.first + done;
      const count = Math.min(pieceFrames, run.count - done);
      const content = await this.hidden(rangeOfRun(this.geometry, { first: number, count }));
      const about = { session: this.session, number, count, pass, repair: 0 };
      this.sender.send({ ...about, content }, frameBytes);
      const flushed = this.sender.flushed();
      if (flushed && this.isLossy) await this.repairs.prepare(number + count);
      await flushed;
    }
  }

  private async sendRepair(pass: number, item: RepairItem): Promise<void> {
    const about = { session: this.session, number: item.batch, count: 1, pass };
    const frames = await this.repairs.frames(item.batch, item.first, item.count);
    for (const [at, content] of frames.entries()) {
      const repair = item.first + at + 1;
      this.sender.send({ ...about, repair, content }, this.geometry.frameBytes);
    }
  }

  /** Bytes of the container as they go over the network. */
  private async hidden({ offset, length }: ByteRange): Promise<Uint8Array> {
    const bytes = await this.options.read(offset, length);
    if (!this.cipher) return bytes;
    if (this.scratch.length < length) this.scratch = Buffer.allocUnsafeSlow(length);
    return this.cipher.apply(offset, bytes, this.scratch.subarray(0, length));
  }

  private heard({ message: { message }, sender }: ReceivedControl): void {
    if (message.case !== 'missingFrames') return;
    const { sessionId, needed, node } = message.value;
    if (Buffer.compare(sessionId, this.sessionId) !== 0) return;
    if (shortHash(node).toString('hex') !== sender) return;
    this.isLossy ||= message.value.lostFrames > 0;
    this.step({ type: 'report', ...message.value, needed: neededIn(needed) });
  }
}
