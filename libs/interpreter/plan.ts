import { createHash } from 'node:crypto';
import { AssignmentRefused } from '#libs/assignment/errors.js';
import { configure } from '#libs/configuration/configure.js';
import type { TreeEntry } from '#libs/content-store/manifest.js';
import {
  type FileEntry,
  type Manifest,
  sortByPath,
  treeDigestInSteps,
} from '#libs/content-store/manifest.js';
import { atOnce, inTurns, type Steps } from '#libs/content-store/turns.js';
import type { Command } from '#libs/contracts/host.js';
import { CommandPlayer } from './command-player.js';
import { IllegalCommand, WrongResult } from './errors.js';
import type { ConfiguredFile, Origin } from './planned-tree.js';
import { type DeclaredCaps, defaultPolicy, type PlanPolicy } from './policy.js';

/** How one entry of the new version comes about. `share` gives it the base file's own inode. */
export type Step =
  | { readonly kind: 'make'; readonly entry: Exclude<TreeEntry, FileEntry> }
  | { readonly kind: 'share'; readonly entry: FileEntry; readonly base: FileEntry }
  | { readonly kind: 'write'; readonly entry: FileEntry; readonly origin: Origin };

/** A step that makes a file. */
export type FileStep = Exclude<Step, { kind: 'make' }>;

/** Where the bytes of a file come from when they must be written. */
export const originOf = (step: FileStep): Origin =>
  step.kind === 'share' ? { kind: 'base', file: step.base } : step.origin;

export interface Plan {
  readonly result: Manifest;
  /** Of the result: SHA-256, lower-case hex. */
  readonly treeDigest: string;
  /** One per entry, in the order of manifests: a directory precedes what is in it. */
  readonly steps: readonly Step[];
  /** Hooks to be run once the version is live, in this order. */
  readonly hooks: readonly string[];
  /** Bytes of the files that get an inode of their own. */
  readonly writtenBytes: number;
}

/**
 * Plays all commands on the base in memory. Touches no disk; nothing may be written before it
 * returns.
 * @throws AssignmentRefused `wrong-base`
 * @throws IllegalCommand for the first illegal command
 * @throws WrongResult when the outcome is not the signed tree
 */
export function planAssignment(
  base: Manifest,
  commands: Iterable<Command>,
  caps: DeclaredCaps,
  policy: PlanPolicy = defaultPolicy,
): Plan {
  const player = atOnce(play(base, commands, caps, policy));
  for (const [path, { index }] of player.tree.configured) {
    throw new IllegalCommand(index, path, 'unsupported-command');
  }
  return atOnce(finish(player, caps));
}

/** What planning needs besides the assignment. */
export interface Planning {
  readonly caps: DeclaredCaps;
  readonly policy: PlanPolicy;
  readonly read: FileReader;
  /** Called at every step: what it gives is waited for. */
  readonly pause: () => Promise<void> | undefined;
}

/**
 * As `planAssignment`, in turns; the content of configuration files is read to set values in them.
 */
export async function planConfigured(
  base: Manifest,
  commands: Iterable<Command>,
  { caps, policy, read, pause }: Planning,
): Promise<Plan> {
  const player = await inTurns(play(base, commands, caps, policy), pause);
  for (const file of player.tree.configured.values()) {
    const current = player.tree.entries.get(file.entry.path);
    if (current?.type !== 'file') continue;
    const bytes = edited(await read(file.entry, file.origin), file);
    const digest = createHash('sha256').update(bytes).digest('hex');
    player.tree.settle({ ...current, sizeBytes: bytes.length, digest }, bytes);
  }
  return inTurns(finish(player, caps), pause);
}

/** The bytes of a file of the base or of the data, as they were signed. */
export type FileReader = (entry: FileEntry, origin: Origin) => Promise<Uint8Array>;

/** @throws IllegalCommand `bad-configuration` for a file in which the values cannot be set */
function edited(content: Uint8Array, { entry, edits, index }: ConfiguredFile): Uint8Array {
  try {
    return configure(entry.path, content, edits).content;
  } catch (cause) {
    throw new IllegalCommand(index, entry.path, 'bad-configuration', { cause });
  }
}

function* play(
  base: Manifest,
  commands: Iterable<Command>,
  caps: DeclaredCaps,
  policy: PlanPolicy,
): Steps<CommandPlayer> {
  yield* checkBase(base, caps);
  const player = new CommandPlayer(caps, policy);
  yield* player.tree.load(base);
  for (const command of commands) {
    player.play(command);
    yield;
  }
  player.finish();
  return player;
}

function* finish(player: CommandPlayer, caps: DeclaredCaps): Steps<Plan> {
  const result = sortByPath([...player.tree.entries.values()]);
  const expected = Buffer.from(caps.resultTreeDigest).toString('hex');
  const actual = yield* treeDigestInSteps(result);
  if (actual !== expected) throw new WrongResult(expected, actual);
  const steps: Step[] = [];
  let writtenBytes = 0;
  for (const entry of result) {
    const step = stepFor(entry, player.tree.origins);
    if (step.kind === 'write') writtenBytes += step.entry.sizeBytes;
    steps.push(step);
    yield;
  }
  if (BigInt(writtenBytes) > caps.diskNeededBytes) player.refuseTotal();
  return { result, treeDigest: actual, steps, writtenBytes, hooks: player.hooks };
}

function* checkBase(base: Manifest, caps: DeclaredCaps): Steps<void> {
  const expected = Buffer.from(caps.baseTreeDigest).toString('hex');
  if (expected === '' && base.length === 0) return;
  const actual = yield* treeDigestInSteps(base);
  if (actual === expected) return;
  throw new AssignmentRefused(
    'wrong-base',
    `the assignment is for the tree ${expected || '(none)'}; this server has ${actual}`,
  );
}

function stepFor(entry: TreeEntry, origins: ReadonlyMap<string, Origin>): Step {
  if (entry.type !== 'file') return { kind: 'make', entry };
  const origin = origins.get(entry.path);
  if (!origin) throw new Error(`the planned file ${entry.path} has no origin`);
  // Mode and time belong to the inode: a file that differs in them must not share it.
  const shared =
    origin.kind === 'base' &&
    origin.file.mode === entry.mode &&
    origin.file.mtimeMs === entry.mtimeMs;
  return shared ? { kind: 'share', entry, base: origin.file } : { kind: 'write', entry, origin };
}
