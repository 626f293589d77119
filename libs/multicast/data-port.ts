import type { ContentCipher } from './content-cipher.js';
import type { DataFrame } from './data-frame.js';
import type { PaceLimits } from './sender-pace.js';

/** Data frames of a segment: one multicast group and port. Frames may be lost, repeated or late. */
export interface DataChannel {
  /** Multicast group and port, as announced. */
  readonly address: string;
  readonly port: number;
  /** Content bytes that one frame carries best on this network. */
  readonly frameBytes: number;
  openSender(): Promise<DataSender>;
  /**
   * Adds a listener for authenticated frames of others; the group is joined while there is one.
   * @returns a function that removes it
   */
  onFrame(listener: (frame: DataFrame) => void): () => void;
  /** What hides a container from who does not hold the segment key; without: it goes openly. */
  cipherFor?(containerDigest: Uint8Array): ContentCipher;
  close(): void;
}

/** The sending side, open for one session. */
export interface DataSender extends PaceLimits {
  /** Sends one frame, given in parts that follow each other. The parts are not kept. */
  send(parts: readonly Uint8Array[]): void;
  /** Resolves when everything sent so far has left this host. */
  flushed(): Promise<void>;
  close(): void;
}
