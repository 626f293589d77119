import type { Clock, Random } from '#libs/clock/clock.js';
import type { SessionAnnouncement } from '#libs/contracts/index.js';
import type { ControlPort } from '../control-port.js';
import type { DataChannel } from '../data-port.js';
import type { SessionSink, Wants } from '../session.js';

/** What taking part in sessions needs of its host. */
export interface SessionReceiverOptions {
  readonly control: ControlPort;
  /** The channel that the announcement names; a shared one is welcome, it is not closed here. */
  readonly openData: (announcement: SessionAnnouncement) => DataChannel;
  readonly clock: Clock;
  readonly random: Random;
  readonly node: string;
  /** Memory for what is not verified yet, of one session; without: 32 MiB. */
  readonly unitBufferBytes?: number;
  /**
   * Asked at the first announcement of a session, and at each that comes after its end: `need` then
   * means as before, for a minute.
   */
  readonly wants: Wants;
  /** Called once per session that is needed. A rejection asks the leader for unicast. */
  readonly openSink: (announcement: SessionAnnouncement) => Promise<SessionSink>;
}
