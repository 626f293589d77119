import type { ContentCipher } from './content-cipher.js';
import type { DataFrames } from './data-frame.js';
import type { PaceLimits } from './pace.js';

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
  onFrames(listener: (frames: DataFrames) => void): () => void;
  /** Resolves when the group is joined, or cannot be. */
  joined(): Promise<void>;
  /** Hears now what has come so far, where the channel looks for frames only now and then. */
  catchUp(): void;
  /** How full the receive buffer is, 0 to 1; 0 where that cannot be told. */
  backlogShare(): number;
  /** Of the key that senders use now; 0: content goes openly. */
  keyEpoch(): number;
  /**
   * What hides a container from who does not hold the segment key of an epoch.
   * @returns `undefined` when content goes openly, or for a key that is not held
   */
  cipherFor(containerDigest: Uint8Array, keyEpoch: number): ContentCipher | undefined;
  close(): void;
}

/** The sending side, open for one session. */
export interface DataSender extends PaceLimits {
  /** Sends frames of one size, but for the container's last. The content is not kept. */
  send(frames: DataFrames, frameBytes: number): void;
  /** Resolves when everything sent so far has left this host; `undefined`: it has. */
  flushed(): Promise<void> | undefined;
  close(): void;
}
