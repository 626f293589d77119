import type { AssignmentHeader } from '#libs/contracts/host.js';
import { maxPathBytes } from './paths.js';

/** What this server allows, whatever was signed. */
export interface PlanPolicy {
  /** Longest path inside the tree; the host's own prefix must fit before it. */
  readonly maxPathBytes: number;
  readonly maxEntries: number;
  readonly maxCommands: number;
  /** Base and result of a patch that is decoded in memory. */
  readonly maxPatchBytes: number;
  /** For file systems without case or with normalisation. */
  readonly refuseCaseCollisions: boolean;
  /** Refuses names that other systems reserve. */
  readonly refuseReservedNames: boolean;
  /**
   * `inside` refuses links whose target is absolute or leaves the tree. They are never followed
   * here.
   */
  readonly linkTargets: 'any' | 'inside';
  /** Names of the hooks that an assignment may ask for. */
  readonly hooks: readonly string[];
}

export const defaultPolicy: PlanPolicy = {
  maxPathBytes,
  maxEntries: 2_000_000,
  maxCommands: 5_000_000,
  maxPatchBytes: 1024 ** 3,
  refuseCaseCollisions: false,
  refuseReservedNames: false,
  linkTargets: 'any',
  hooks: [],
};

/** What the signed header promises about the commands. */
export type DeclaredCaps = Pick<
  AssignmentHeader,
  'baseTreeDigest' | 'resultTreeDigest' | 'commandCount' | 'dataBytes' | 'diskNeededBytes'
>;
