import type { Cancel } from '#libs/clock/clock.js';
import type { SessionAnnouncement } from '#libs/contracts/index.js';
import type { ReceivedControl, UdpAddress } from '../control-port.js';
import { type DataFrames, readDataFrame } from '../data-frame.js';
import { ImpossibleSession } from '../geometry.js';
import { missingFramesMessage, nothingNeeded } from '../missing-frames.js';
import { responseSpreadMs } from '../timing.js';
import { ReceivingSession } from './receiving-session.js';
import type { SessionReceiverOptions } from './session-receiver-options.js';

/** Frames on the control channel that may have overtaken their announcement. */
const keptFrames = 16;
/** How long an ended session still answers for itself. */
const rememberMs = 60_000;

/**
 * Takes part in every announced session that this member wants. Announcements are heard by
 * themselves and in Leader Alive.
 */
export class SessionReceiver {
  private readonly running = new Map<string, ReceivingSession>();
  private readonly ended = new Map<string, { session: ReceivingSession; forget: Cancel }>();
  private readonly answers = new Map<string, Cancel>();
  private early: DataFrames[] = [];
  private readonly stopListening: () => void;

  constructor(private readonly options: SessionReceiverOptions) {
    this.stopListening = options.control.onMessage((received) => this.heard(received));
  }

  /** Stops listening, and all sessions. */
  async close(): Promise<void> {
    this.stopListening();
    for (const cancel of this.answers.values()) cancel();
    for (const { forget } of this.ended.values()) forget();
    const ended = [...this.ended.values()].map(({ session }) => session);
    await Promise.all([...this.running.values(), ...ended].map((session) => session.close()));
  }

  private heard({ message: { message }, from }: ReceivedControl): void {
    if (message.case === 'sessionAnnouncement') this.announced(message.value, from);
    if (message.case === 'dataFrame') this.inline(message.value);
    if (message.case !== 'leaderAlive') return;
    for (const announcement of message.value.sessions) this.announced(announcement, from);
  }

  /** A frame of a small container. */
  private inline(payload: Uint8Array): void {
    const frame = readDataFrame(payload);
    if (!frame) return;
    const session = this.running.get(frame.session);
    session?.heard(frame);
    if (session || this.ended.has(frame.session)) return;
    this.early.push(frame);
    if (this.early.length > keptFrames) this.early.shift();
  }

  private announced(announcement: SessionAnnouncement, from: UdpAddress): void {
    const id = Buffer.from(announcement.sessionId).toString('hex');
    const running = this.running.get(id);
    if (running && announcement.unicast) {
      void this.leaveToUnicast(running, announcement);
      return;
    }
    running?.announced(announcement, from);
    if (running || announcement.participants.length === 0) return;
    const decision = this.options.wants(announcement);
    const ended = this.ended.get(id);
    if (decision === 'have') this.acknowledge(id, announcement, from);
    else if (decision === 'need' && ended) ended.session.announced(announcement, from);
    else if (decision === 'need') this.take(id, announcement, from);
  }

  /** What is announced for unicast is not multicast any more: the host gets the rest. */
  private async leaveToUnicast(
    running: ReceivingSession,
    announcement: SessionAnnouncement,
  ): Promise<void> {
    if (await running.giveWay()) this.options.wants(announcement);
  }

  /** The container is here from before; large segments spread their answers. */
  private acknowledge(id: string, announcement: SessionAnnouncement, from: UdpAddress): void {
    const { control, clock, random, node } = this.options;
    const { participants, sessionId, pass } = announcement;
    if (!participants.includes(node) || this.answers.has(id)) return;
    const answer = () => {
      this.answers.delete(id);
      control.send(missingFramesMessage(node, sessionId, { ...nothingNeeded, pass }), from);
    };
    const delayMs = responseSpreadMs(participants.length) * random();
    if (delayMs === 0) answer();
    else this.answers.set(id, clock.schedule(delayMs, answer));
  }

  private take(id: string, announcement: SessionAnnouncement, from: UdpAddress): void {
    const over = (session: ReceivingSession, answersOn: boolean) => {
      this.running.delete(id);
      if (!answersOn) return;
      const forget = this.options.clock.schedule(rememberMs, () => this.ended.delete(id));
      this.ended.set(id, { session, forget });
    };
    try {
      const session = new ReceivingSession(this.options, announcement, from, over);
      this.running.set(id, session);
      for (const frame of this.early) session.heard(frame);
      this.early = this.early.filter((frame) => frame.session !== id);
    } catch (error) {
      if (!(error instanceof ImpossibleSession)) throw error;
    }
  }
}
