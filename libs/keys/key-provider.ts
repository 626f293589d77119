import type { KeyObject } from 'node:crypto';
import type { SigningKey } from './ed25519.js';

/** The shared secret of one segment: proves membership, protects frames, authorises nothing. */
export interface SegmentKey {
  /** Rises when the key is rotated. */
  readonly epoch: number;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

/** A segment's key and from when on senders use it; everybody accepts it before. */
export interface ScheduledKey extends SegmentKey {
  /** By the control plane's clock; 0 for the first key. */
  readonly useFromMs: number;
}

/** Whose signatures an assignment needs: `threshold` of `keys` (SPKI DER). */
export interface TrustRoot {
  readonly keys: readonly Uint8Array[];
  readonly threshold: number;
}

/** Where the control plane gets its keys. */
export interface ControlKeys {
  /** The keys that sign assignments. */
  assignmentKeys(): Promise<readonly SigningKey[]>;
  trustRoot(): Promise<TrustRoot>;
  /** The key that admits agents: it signs their credentials. */
  enrolmentKey(): Promise<SigningKey>;
  /** All keys a segment ever had, oldest first; the first is made on first use. */
  segmentKeys(segment: string): Promise<readonly ScheduledKey[]>;
  /** Makes a segment's next key. A key that is still to come is given back instead. */
  rotateSegmentKey(segment: string, nowMs: number, useFromMs: number): Promise<ScheduledKey>;
  /** The key that signs heads of the log's hash chain. */
  auditKey(): Promise<SigningKey>;
  /** What a new agent must show to be enrolled. */
  joinToken(): Promise<string>;
}

/** Where an agent gets its own key. */
export interface AgentKeys {
  /** Made on first use; identifies the agent for as long as its directory lives. */
  agentKey(): Promise<SigningKey>;
  /** The same key for agreements (X25519): opens what is encrypted for this agent. */
  agreementKey(): Promise<KeyObject>;
}
