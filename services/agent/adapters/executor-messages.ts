import type { KeyObject } from 'node:crypto';
/** What the agent's thread and the executor's thread say to each other. */
import type { TrustRoot } from '#libs/keys/key-provider.js';
import type { ControlClock } from '../app/executor.js';

export interface ExecutorStart {
  /** Opens what is encrypted for this host. */
  readonly agreementKey?: KeyObject;
  readonly root: string;
  readonly node: string;
  readonly trust: TrustRoot;
}

export interface ExecuteRequest {
  readonly id: number;
  readonly assignmentId: string;
  readonly containerPath: string;
  readonly controlClock: ControlClock;
  /** As it is now: root documents follow each other while the thread runs. */
  readonly trust: TrustRoot;
}

/** Messages of the contracts travel as their bytes. */
export type ExecutorMessage =
  | { readonly kind: 'started'; readonly live: readonly Uint8Array[] }
  | { readonly kind: 'refused'; readonly name: string; readonly message: string }
  | { readonly kind: 'live-changed'; readonly live: readonly Uint8Array[] }
  /** A switch of later, by the control plane's clock: to be asked for again then. */
  | { readonly kind: 'not-due'; readonly id: number; readonly atMs: number }
  | { readonly kind: 'executed'; readonly id: number; readonly report: Uint8Array };
