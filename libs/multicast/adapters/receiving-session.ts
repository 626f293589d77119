import type { Cancel } from '#libs/clock/clock.js';
import type { SessionAnnouncement } from '#libs/contracts/index.js';
import { BatchMender } from '../batch-mender.js';
import type { ContentCipher } from '../content-cipher.js';
import type { UdpAddress } from '../control-port.js';
import type { DataFrames } from '../data-frame.js';
import type { DataChannel } from '../data-port.js';
import { type Geometry, geometryOf } from '../geometry.js';
import { missingFramesMessage, type NeedReport, nothingNeeded } from '../missing-frames.js';
import { receiverWakeAtMs, stepReceiver } from '../receiver.js';
import {
  initialReceiver,
  type ReceiverEffect,
  type ReceiverInput,
  type ReceiverState,
} from '../receiver-state.js';
import type { SessionSink } from '../session.js';
import { backlogLookMs, responseSpreadMs } from '../timing.js';
import { UnitBuffer } from '../unit-buffer.js';
import type { SessionReceiverOptions } from './session-receiver-options.js';

/** Frames that are kept while the sink opens. */
const maxEarlyBytes = 4 * 2 ** 20;

/** A session with its sink open. */
interface Open {
  state: ReceiverState;
  readonly sink: SessionSink;
  readonly buffer: UnitBuffer;
  readonly mender: BatchMender;
}

/** One session of a member: runs the receiver's machine and does what it asks for. */
export class ReceivingSession {
  private readonly geometry: Geometry;
  private readonly session: string;
  private readonly cipher?: ContentCipher;
  private readonly data?: DataChannel;
  private readonly stopHearing: () => void;
  private readonly opening: Promise<void>;
  private early: DataFrames[] = [];
  private earlyBytes = 0;
  private lookedMs = 0;
  private isListening = false;
  private saying: Cancel = () => undefined;
  private open?: Open;
  private hasFailed = false;
  private lacksKey = false;
  private stampHeardMs: number;
  private timer: Cancel = () => undefined;
  private ending: Promise<void> = Promise.resolve();

  /** @throws ImpossibleSession */
  constructor(
    private readonly options: SessionReceiverOptions,
    private announcement: SessionAnnouncement,
    private leader: UdpAddress,
    /** Told once; `answersOn`: the leader may ask again and is to be answered by this session. */
    private readonly onOver: (session: ReceivingSession, answersOn: boolean) => void,
  ) {
    const { containerBytes, headBytes, frameBytes, sessionId } = announcement;
    this.stampHeardMs = options.clock.nowMs();
    this.geometry = geometryOf(Number(containerBytes), headBytes, frameBytes);
    this.session = Buffer.from(sessionId).toString('hex');
    if (announcement.dataPort === 0) {
      this.stopHearing = () => undefined;
    } else {
      const data = options.openData(announcement);
      this.data = data;
      this.cipher = this.cipherOf(data);
      this.stopHearing = data.onFrames((frames) => this.heard(frames));
    }
    this.opening = this.begin();
  }

  /** Without the key that hides the content it is asked for by unicast. */
  private cipherOf(data: DataChannel): ContentCipher | undefined {
    const { containerDigest, keyEpoch } = this.announcement;
    const cipher = data.cipherFor(containerDigest, keyEpoch);
    this.lacksKey = keyEpoch > 0 && !cipher;
    return cipher;
  }

  announced(announcement: SessionAnnouncement, leader: UdpAddress): void {
    const isOther = leader.address !== this.leader.address || leader.port !== this.leader.port;
    // Two leaders may send the same container; one that does not count on this node cannot end it.
    if (isOther && !announcement.participants.includes(this.options.node)) return;
    const stampMs = announcement.stampMs || this.announcement.stampMs;
    if (stampMs !== this.announcement.stampMs) this.stampHeardMs = this.options.clock.nowMs();
    this.announcement = { ...announcement, stampMs };
    this.leader = leader;
    if (announcement.passEnded) this.data?.catchUp();
    if (this.hasFailed && announcement.passEnded) this.askForUnicast();
    else this.step({ type: 'announced', ...announcement });
    this.sayListening();
  }

  async close(): Promise<void> {
    this.stopHearing();
    await this.opening;
    this.step({ type: 'stop', reason: 'closed' });
    this.timer();
    this.saying();
    await this.ending;
  }

  /** Ends it, unless all has arrived. @returns whether something has to come another way */
  async giveWay(): Promise<boolean> {
    await this.opening;
    if (this.open && this.open.state.situation !== 'collecting') return false;
    await this.close();
    return true;
  }

  private async begin(): Promise<void> {
    const { openSink, node, random, clock } = this.options;
    try {
      if (this.lacksKey) throw new Error('the key of the content is not here');
      const sink = await openSink(this.announcement);
      const config = { node, random, geometry: this.geometry };
      const [state, effects] = initialReceiver(config, sink.held, clock.nowMs());
      const { unitBufferBytes } = this.options;
      const buffer = new UnitBuffer(this.geometry, sink, this.cipher, unitBufferBytes);
      this.open = { state, sink, buffer, mender: new BatchMender(buffer) };
      for (const effect of effects) this.perform(effect);
    } catch {
      this.hasFailed = true;
      this.over(true);
      this.askForUnicast();
      return;
    }
    this.step({ type: 'announced', ...this.announcement });
    for (const frames of this.early) this.take(frames);
    this.early = [];
    await this.data?.joined();
    this.isListening = true;
    this.sayListening();
  }

  /** Before the first frame, as often as announced; large segments spread their answers. */
  private sayListening(): void {
    if (!this.isListening || !this.data || this.announcement.passEnded) return;
    const { clock, random } = this.options;
    const delayMs = responseSpreadMs(this.announcement.participants.length) * random();
    this.saying();
    this.saying = clock.schedule(delayMs, () => this.step({ type: 'listening' }));
  }

  /** Frames of any session; their content is good until this returns. */
  heard(frames: DataFrames): void {
    if (frames.session !== this.session) return;
    if (this.open?.buffer.hasRoom) this.take(frames);
    if (this.open) this.guarded(this.open.mender.prepare(this.open.state));
    this.lookAtBacklog();
    if (this.open || this.earlyBytes >= maxEarlyBytes) return;
    this.earlyBytes += frames.content.length;
    this.early.push({ ...frames, content: Uint8Array.from(frames.content) });
  }

  private lookAtBacklog(): void {
    const nowMs = this.options.clock.nowMs();
    if (!this.data || nowMs - this.lookedMs < backlogLookMs) return;
    this.lookedMs = nowMs;
    this.step({ type: 'backlog', share: this.data.backlogShare() });
  }

  private take({ number, count, pass, repair, content }: DataFrames): void {
    if (repair === 0) this.step({ type: 'frames', pass, first: number, count, content });
    else this.step({ type: 'repair-frame', pass, batch: number, index: repair - 1, content });
  }

  private step(input: ReceiverInput): void {
    if (!this.open) return;
    const { clock } = this.options;
    const [state, effects] = stepReceiver(this.open.state, input, clock.nowMs());
    const before = receiverWakeAtMs(this.open.state);
    this.open.state = state;
    for (const effect of effects) this.perform(effect);
    const wakeAtMs = receiverWakeAtMs(this.open.state);
    // Frames only put the time off: the timer that runs finds out when it fires.
    const isFrame = ['frames', 'repair-frame', 'backlog', 'listening'].includes(input.type);
    if (isFrame && before !== undefined && (wakeAtMs ?? 0) >= before) return;
    this.timer();
    if (wakeAtMs === undefined) return;
    const delayMs = Math.max(0, wakeAtMs - clock.nowMs());
    this.timer = clock.schedule(delayMs, () => this.tick());
  }

  /** Before anything is told to be missing, it is looked for. */
  private tick(): void {
    this.data?.catchUp();
    this.step({ type: 'tick' });
  }

  private perform(effect: ReceiverEffect): void {
    const { open } = this;
    if (!open) return;
    switch (effect.type) {
      case 'write':
        this.guarded(open.buffer.put(effect));
        break;
      case 'mend':
        this.guarded(this.mend(open, effect.batch));
        break;
      case 'verify':
        this.verify(open, effect.unit);
        break;
      case 'report':
        this.report(effect);
        break;
      case 'finish':
        this.ending = this.finish(open);
        this.guarded(this.ending);
        break;
      case 'stopped':
        this.over(effect.reason === 'unicast' || effect.reason === 'failed');
        this.ending = open.buffer.settled().then(() => open.sink.stopped(effect.reason));
        this.ending.catch(() => undefined);
        break;
    }
  }

  private verify({ buffer }: Open, unit: number): void {
    try {
      const verdict = buffer.verify(unit);
      const judged = (isSound: boolean) => this.step({ type: 'verified', unit, isSound });
      if (typeof verdict === 'boolean') judged(verdict);
      else this.guarded(verdict.then(judged));
    } catch {
      this.step({ type: 'stop', reason: 'failed' });
    }
  }

  private async mend({ state, mender }: Open, batch: number): Promise<void> {
    const frames = await mender.mend(state, batch);
    this.step({ type: 'mended', batch, frames });
  }

  private async finish(open: Open): Promise<void> {
    this.stopHearing();
    await open.buffer.settled();
    await open.sink.done();
    this.step({ type: 'done' });
    this.onOver(this, true);
  }

  /** A sink that fails ends the session here; the leader is asked for unicast. */
  private guarded(work: Promise<unknown> | undefined): void {
    work?.catch(() => this.step({ type: 'stop', reason: 'failed' }));
  }

  private over(answersOn: boolean): void {
    this.stopHearing();
    this.onOver(this, answersOn);
  }

  private report(report: NeedReport): void {
    const { control, node, clock } = this.options;
    const { sessionId, stampMs } = this.announcement;
    const echo = { echoedMs: stampMs, heldMs: clock.nowMs() - this.stampHeardMs };
    control.send(missingFramesMessage(node, sessionId, { ...report, ...echo }), this.leader);
  }

  private askForUnicast(): void {
    const { pass } = this.announcement;
    this.report({ ...nothingNeeded, pass, missingTotal: 1, unicastWanted: true });
  }
}
