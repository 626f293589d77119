import type { AuditCheckpoint, RecordedEvent } from '#libs/contracts/index.js';
import type { ArchivedEvent } from '#libs/event-log/archived-log.js';
import { chainHash, chainStart } from '#libs/event-log/hash-chain.js';
import { isSoundCheckpoint } from '#libs/keys/audit-checkpoint.js';
import type { CopiedEvent } from './verify-log.js';

/** What it takes to bring the log back to what its second copy has. */
export interface RestorePlan {
  /** `append`: its end is missing; `replace`: an event before its end is missing, or is another. */
  readonly kind: 'sound' | 'append' | 'replace';
  /** Sequence of the last event of the log, and of the copy. */
  readonly last: number;
  readonly head: number;
  /** Sequence of the first event that is missing or another; 0: there is none. */
  readonly firstBad: number;
  readonly problem: string;
  /** Events that the log has in the place of those of the copy. */
  readonly others: number;
}

export interface PlannedRestore {
  readonly plan: RestorePlan;
  /** Events that would be lost with the log, and are to be put aside. */
  readonly others: readonly ArchivedEvent[];
  /** Events after the copy's last, which stay. */
  readonly tail: readonly ArchivedEvent[];
}

export interface CopyProblem {
  readonly sequence: number;
  readonly problem: string;
}

export interface LogAndCopy {
  /** The log with its archive, with the stored text of each event. */
  readonly log: AsyncIterable<RecordedEvent>;
  readonly copy: AsyncIterable<CopiedEvent>;
  readonly signed: readonly AuditCheckpoint[];
  /** Of the key that signed them. */
  readonly publicKey: Uint8Array;
  readonly last: number;
  readonly head: number;
}

/**
 * Compares the log with a copy that must be sound in itself: hash-chained, with every signed head,
 * and without gaps where it is to stand for the log.
 */
export async function planRestore(
  given: LogAndCopy,
): Promise<PlannedRestore | { readonly unsound: CopyProblem }> {
  const { log, signed, publicKey } = given;
  const forged = signed.find((checkpoint) => !isSoundCheckpoint(checkpoint, [publicKey]));
  if (forged) return unsound(Number(forged.sequence), 'a signed head is not by the audit key');
  const chain = new Chain(new Map(signed.map(({ sequence, hash }) => [Number(sequence), hash])));
  const events = log[Symbol.asyncIterator]();
  try {
    return await compared(() => textOf(events), given, chain);
  } finally {
    await events.return?.();
  }
}

async function compared(
  events: () => Promise<ArchivedEvent | undefined>,
  { copy, last, head }: LogAndCopy,
  chain: Chain,
) {
  const found = new Differences(head);
  let event = await events();
  for await (const copied of copy) {
    const problem = chain.problemAt(copied);
    if (problem) return unsound(copied.sequence, problem);
    if (event && event.sequence < copied.sequence) {
      return unsound(event.sequence, 'only the log has it');
    }
    found.compare(copied, event);
    if (event?.sequence === copied.sequence) event = await events();
  }
  const [beyond] = chain.headsLeft();
  if (beyond !== undefined) return unsound(beyond, 'it was signed, and the copy ends before');
  for (; event; event = await events()) found.after(event);
  const { first, others, tail } = found;
  const { sequence = 0, problem = '' } = first ?? {};
  const kind = !first ? 'sound' : last < sequence ? 'append' : 'replace';
  const needed = { sound: head, append: last, replace: 0 }[kind];
  if (chain.lastGap > needed) return unsound(chain.lastGap, 'the copy has no event there');
  const plan = { kind, last, head, firstBad: sequence, problem, others: others.length } as const;
  return { plan, others, tail };
}

/** The copy as it is read: whether it is in itself what was written and signed. */
class Chain {
  private previous: Uint8Array = chainStart;
  private last = 0;
  /** The newest sequence that the copy has no event of; 0: it has all. */
  lastGap = 0;

  constructor(private readonly heads: Map<number, Uint8Array>) {}

  problemAt({ sequence, body, hash }: CopiedEvent): string | undefined {
    if (sequence !== this.last + 1) this.lastGap = sequence - 1;
    this.last = sequence;
    const previous = this.previous;
    this.previous = hash;
    if (!same(chainHash(previous, sequence, body), hash)) {
      return 'its hash does not fit its content';
    }
    const signed = this.heads.get(sequence);
    this.heads.delete(sequence);
    return signed && !same(signed, hash) ? 'it was signed with another hash' : undefined;
  }

  headsLeft(): number[] {
    return [...this.heads.keys()].sort((a, b) => a - b);
  }
}

/** What the log has otherwise than its copy. */
class Differences {
  first: CopyProblem | undefined;
  readonly others: ArchivedEvent[] = [];
  readonly tail: ArchivedEvent[] = [];

  constructor(private readonly head: number) {}

  compare({ sequence, body }: CopiedEvent, event: ArchivedEvent | undefined): void {
    if (event?.sequence !== sequence) {
      this.first ??= { sequence, problem: 'it is missing' };
    } else if (event.body !== body) {
      this.first ??= { sequence, problem: 'the log has another' };
      this.others.push(event);
    }
  }

  /** An event behind the copy's last: it stays, unless one before it is nowhere. */
  after(event: ArchivedEvent): void {
    const isNext = event.sequence === this.head + this.tail.length + 1;
    if (isNext) this.tail.push(event);
    else this.others.push(event);
  }
}

async function textOf(events: AsyncIterator<RecordedEvent>): Promise<ArchivedEvent | undefined> {
  const { value, done } = await events.next();
  return done ? undefined : { sequence: value.sequence, body: value.stored ?? '' };
}

function unsound(sequence: number, problem: string): { unsound: CopyProblem } {
  return { unsound: { sequence, problem } };
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
