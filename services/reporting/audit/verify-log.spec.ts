import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { event, type RecordedEvent, toCloudEvent } from '#libs/contracts/index.js';
import { chainHash, chainStart } from '#libs/event-log/hash-chain.js';
import { type CopiedEvent, type SoundCheckpoint, verifyLog } from './verify-log.js';

/** A log with gaps in its sequences, as JetStream leaves them. */
const log: readonly RecordedEvent[] = [1, 2, 5, 6, 9].map((sequence) => ({
  ...event('SiteCreated', { site: `site-${sequence}`, staging: '/srv' }),
  id: `event-${sequence}`,
  aggregate: { type: 'site', id: `site-${sequence}` },
  sequence,
  version: 1,
  timeMs: sequence,
  context: { actor: 'cli:ann', correlationId: 'c', causationId: 'c' },
}));

function copyOf(events: readonly RecordedEvent[]): CopiedEvent[] {
  let previous: Uint8Array = chainStart;
  return events.map((recorded) => {
    const { sequence } = recorded;
    const body = JSON.stringify(toCloudEvent(recorded));
    previous = chainHash(previous, sequence, body);
    return { sequence, body, hash: previous };
  });
}

const copy = copyOf(log);
const head = copy.at(-1)?.hash ?? chainStart;

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

function verdictOf(
  events: readonly RecordedEvent[],
  copied: readonly CopiedEvent[],
  checkpoints: readonly SoundCheckpoint[] = [],
) {
  return verifyLog(each(events), each(copied), checkpoints);
}

describe('the audit of the log', () => {
  it('finds an untouched log sound', async () => {
    expect(await verdictOf(log, copy, [{ sequence: 9, hash: head }])).toMatchObject({
      sound: true,
      events: 5,
      headSequence: 9n,
      headHash: Buffer.from(head).toString('hex'),
    });
  });

  it('names an event that was taken out of the copy', async () => {
    const without = copy.filter(({ sequence }) => sequence !== 5);
    expect(await verdictOf(log, without)).toMatchObject({ sound: false, firstBadSequence: 5n });
  });

  it('names an event that was taken out of the log', async () => {
    const without = log.filter(({ sequence }) => sequence !== 5);
    expect(await verdictOf(without, copy)).toMatchObject({ sound: false, firstBadSequence: 5n });
  });

  it('names an event whose hash was made to fit a changed copy', async () => {
    const forged = log.map((recorded) =>
      recorded.sequence === 5
        ? ({ ...recorded, ...event('SiteCreated', { site: 'forged' }) } as RecordedEvent)
        : recorded,
    );
    expect(await verdictOf(log, copyOf(forged))).toMatchObject({ firstBadSequence: 5n });
  });

  it('finds a log and a copy that were both rewritten by the signed head', async () => {
    const shorter = log.slice(0, 3);
    const verdict = await verdictOf(shorter, copyOf(shorter), [{ sequence: 9, hash: head }]);
    expect(verdict).toMatchObject({ sound: false, firstBadSequence: 9n });
  });

  it('finds any flipped bit of the copy, and names the event', async () => {
    const places = fc.record({
      index: fc.nat(copy.length - 1),
      inHash: fc.boolean(),
      place: fc.nat(10_000),
      bit: fc.nat(6),
    });
    await fc.assert(
      fc.asyncProperty(places, async ({ index, inHash, place, bit }) => {
        const damaged = copy.map((row, at) => (at === index ? flip(row, inHash, place, bit) : row));
        const verdict = await verdictOf(log, damaged);
        expect(verdict.sound).toBe(false);
        expect(Number(verdict.firstBadSequence)).toBe(copy[index]?.sequence);
      }),
    );
  });
});

function flip(row: CopiedEvent, inHash: boolean, place: number, bit: number): CopiedEvent {
  const bytes = inHash ? Buffer.from(row.hash) : Buffer.from(row.body);
  const at = place % bytes.length;
  bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
  return inHash ? { ...row, hash: bytes } : { ...row, body: bytes.toString() };
}
