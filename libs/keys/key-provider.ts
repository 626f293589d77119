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

/** A private key and the certificate of its public half, PEM; and who may sign the others'. */
export interface TlsIdentity {
  readonly privateKey: string;
  readonly certificate: string;
  readonly authorities: readonly string[];
}

/** Signs the certificates of one control plane's servers and agents. */
export interface TlsAuthority {
  /** Of this authority and of former ones that still count, PEM. */
  readonly certificates: readonly string[];
  /** A certificate (PEM) for a key (SPKI DER); its name is the authority's word, not the key's. */
  issue(publicKey: Uint8Array, uri: string, nowMs: number): Promise<string>;
}

/** Below `<data-dir>/keys`: what lets hosts and people read content. */
export const contentTokenFile = 'content-token';

/** Where the control plane gets its keys. */
export interface ControlKeys {
  tlsAuthority(): Promise<TlsAuthority>;
  /** What the control plane's own HTTPS listeners show. */
  tlsIdentity(nowMs: number): Promise<TlsIdentity>;
  /** The keys that sign assignments. */
  assignmentKeys(): Promise<readonly SigningKey[]>;
  trustRoot(): Promise<TrustRoot>;
  /** All root documents that there are, oldest first; none: the keys of `trustRoot` count. */
  rootDocuments(): Promise<readonly Uint8Array[]>;
  /** The key that admits agents: it signs their credentials. */
  enrolmentKey(): Promise<SigningKey>;
  /** All keys a segment ever had, oldest first; the first is made on first use. */
  segmentKeys(segment: string): Promise<readonly ScheduledKey[]>;
  /** Makes a segment's next key. A key that is still to come is given back instead. */
  rotateSegmentKey(segment: string, nowMs: number, useFromMs: number): Promise<ScheduledKey>;
  /** The key that signs heads of the log's hash chain. */
  auditKey(): Promise<SigningKey>;
  /** The key that tells nats-server which agent a connection is of. */
  natsIssuerKey(): Promise<SigningKey>;
  /** What a new agent must show to be enrolled. */
  joinToken(): Promise<string>;
  /** What a staging server must show to bring content. */
  stagingToken(): Promise<string>;
  /** What other hosts, and people, must show to read content. */
  contentToken(): Promise<string>;
}

/** Where an agent gets its own key. */
export interface AgentKeys {
  /** Made on first use; identifies the agent for as long as its directory lives. */
  agentKey(): Promise<SigningKey>;
  /** The same key for agreements (X25519): opens what is encrypted for this agent. */
  agreementKey(): Promise<KeyObject>;
  /** The same key, PKCS#8 PEM, for TLS. */
  privateKeyPem(): Promise<string>;
}
