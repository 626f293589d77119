import { create } from '@bufbuild/protobuf';
import {
  type AuditVerdict,
  AuditVerdictSchema,
  type RecordedEvent,
  toCloudEvent,
} from '#libs/contracts/index.js';
import { chainHash, chainStart } from '#libs/event-log/hash-chain.js';

/** A row of the second copy. */
export interface CopiedEvent {
  readonly sequence: number;
  readonly body: string;
  readonly hash: Uint8Array;
}

/** A signed head of the chain whose signature was found sound. */
export interface SoundCheckpoint {
  readonly sequence: number;
  readonly hash: Uint8Array;
}

interface Found {
  readonly sequence: number;
  readonly problem: string;
}

/**
 * Compares the log with its second copy, event by event, and the copy with its own hashes and with
 * the signed heads. Ends at the first difference and names it. Both are read up to one sequence.
 */
export async function verifyLog(
  log: AsyncIterable<RecordedEvent>,
  copy: AsyncIterable<CopiedEvent>,
  checkpoints: readonly SoundCheckpoint[],
): Promise<AuditVerdict> {
  const copies = copy[Symbol.asyncIterator]();
  const heads = new Map(checkpoints.map((checkpoint) => [checkpoint.sequence, checkpoint.hash]));
  let previous: Uint8Array = chainStart;
  let [events, head] = [0, 0];
  const verdict = (found?: Found) =>
    create(AuditVerdictSchema, {
      sound: !found,
      events,
      firstBadSequence: BigInt(found?.sequence ?? 0),
      problem: found?.problem ?? '',
      headSequence: BigInt(head),
      headHash: Buffer.from(previous).toString('hex'),
      checkpoints: checkpoints.length,
    });
  for await (const event of log) {
    const { value: copied, done } = await copies.next();
    const found = done ? missing(event.sequence) : differenceOf(event, copied, previous, heads);
    if (found) return verdict(found);
    previous = (copied as CopiedEvent).hash;
    head = event.sequence;
    events++;
    heads.delete(head);
  }
  const { value: surplus, done } = await copies.next();
  if (!done) return verdict(onlyCopied(surplus));
  const [lost] = [...heads.keys()].sort((a, b) => a - b);
  return verdict(lost === undefined ? undefined : beyond(lost));
}

function differenceOf(
  event: RecordedEvent,
  copied: CopiedEvent,
  previous: Uint8Array,
  heads: ReadonlyMap<number, Uint8Array>,
): Found | undefined {
  if (copied.sequence > event.sequence) return missing(event.sequence);
  if (copied.sequence < event.sequence) return onlyCopied(copied);
  const { sequence, body, hash } = copied;
  if (!same(chainHash(previous, sequence, body), hash)) {
    return { sequence, problem: 'the hash of the second copy does not fit its content' };
  }
  if (body !== (event.stored ?? JSON.stringify(toCloudEvent(event)))) {
    return { sequence, problem: 'the log and its second copy tell different events' };
  }
  const signed = heads.get(sequence);
  if (signed && !same(signed, hash)) {
    return { sequence, problem: 'the chain was signed with another hash here' };
  }
  return undefined;
}

function missing(sequence: number): Found {
  return { sequence, problem: 'the event is missing in the second copy' };
}

function onlyCopied({ sequence }: CopiedEvent): Found {
  return { sequence, problem: 'the event is missing in the log' };
}

function beyond(sequence: number): Found {
  return { sequence, problem: 'the chain was signed up to here, but the log ends before' };
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
