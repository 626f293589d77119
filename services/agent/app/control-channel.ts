import type { Notification, SegmentStatus } from '#libs/contracts/index.js';
import type { SpooledReport } from '../adapters/report-spool.js';

/** What a leader asks the tree planner: whom to tell next, whom to probe. */
export type AgentQuestion = 'next' | 'peers';

/**
 * A leader's connection to the control plane, by one way. Every adapter passes the suite in
 * test/conformance/control-channel.spec.ts.
 */
export interface ControlChannel {
  /** Request and reply are protobuf. @throws when there is no answer in time */
  ask(question: AgentQuestion, request: Uint8Array): Promise<Uint8Array>;
  /**
   * Resolves when the ingress stream has the report; it keeps one of several with the same id.
   * @throws when it has not, as far as is known
   */
  deliver(report: SpooledReport): Promise<void>;
  close(): Promise<void>;
}

/** What comes over a channel. */
export interface ChannelListener {
  /** The control plane learns that it was taken. */
  notified(notification: Notification): void;
  /** Asked for by the control plane. */
  segmentStatus(): SegmentStatus;
  /** The connection was lost. The channel goes on trying until it is closed. */
  down(reason: string): void;
  /** It is back. Not called for a channel that has just been opened. */
  up(): void;
}

/** A way to the control plane: NATS over TCP, NATS over WebSocket, HTTPS through the gateway. */
export type ControlWay = 'nats' | 'websocket' | 'https';

/** @throws when this way does not lead to the control plane now */
export type OpenChannel = (listener: ChannelListener) => Promise<ControlChannel>;

export interface OpenableWay {
  readonly way: ControlWay;
  readonly open: OpenChannel;
}
