import type { ControlMessage } from '#libs/contracts/index.js';

/** Where a datagram came from or goes to. */
export interface UdpAddress {
  readonly address: string;
  readonly port: number;
}

/** A fresh control message, signed by an enrolled agent of the segment. */
export interface ReceivedControl {
  readonly message: ControlMessage;
  readonly from: UdpAddress;
  /** Hex: first 8 bytes of SHA-256 of the sender's node name. */
  readonly sender: string;
}

/**
 * The control channel of a segment: datagrams, so any message may be lost, repeated or late. A
 * sender does not hear itself.
 */
export interface ControlPort {
  /** To all members of the segment. */
  broadcast(message: ControlMessage): void;
  send(message: ControlMessage, to: UdpAddress): void;
  /** Adds a listener. @returns a function that removes it */
  onMessage(listener: (received: ReceivedControl) => void): () => void;
  /**
   * Adds a listener for the names that two living agents use; called again and again while it
   * lasts. @returns a function that removes it
   */
  onConflict?(listener: (node: string) => void): () => void;
}
