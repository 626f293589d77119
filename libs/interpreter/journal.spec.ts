import { describe, expect, it } from '@jest/globals';
import { emptyJournal, encodeRecord, type JournalRecord, readOn, summarize } from './journal.js';

const record = (state: JournalRecord['state'], sequence: number): JournalRecord => ({
  ...{ state, sequence, treeDigest: `tree ${sequence}`, timeMs: sequence },
  ...(state === 'FAILED' ? { during: 'switch' as const } : {}),
});
const history = [
  record('PREPARING', 1),
  record('PREPARED', 1),
  record('SWITCHING', 1),
  record('SWITCHED', 1),
  record('CONFIRMED', 1),
  record('PREPARED', 2),
  record('SWITCHING', 2),
  record('FAILED', 2),
  record('SWITCHING', 2),
  record('SWITCHED', 2),
  record('DAMAGED', 1),
  record('PREPARED', 1),
];
const text = history.map(encodeRecord).join('');

describe('a journal that is read on', () => {
  it('says after every line what it says when it is read from the start', () => {
    let reading = emptyJournal;
    for (let lines = 1; lines <= history.length; lines++) {
      const beginning = history.slice(0, lines);
      reading = readOn(reading, beginning.map(encodeRecord).join(''));
      expect(reading.records).toEqual(beginning);
      expect(reading.summary).toEqual(summarize(beginning));
      expect(reading.torn).toBe(false);
    }
  });

  it('decodes only the lines that are new', () => {
    const known = readOn(emptyJournal, text);
    const { records } = readOn(known, `${text}${encodeRecord(record('SWITCHING', 1))}`);
    expect(records[0]).toBe(known.records[0]);
    expect(records).toHaveLength(history.length + 1);
  });

  it('is read from the start where it was replaced, or half a line was taken back', () => {
    const known = readOn(emptyJournal, text);
    const other = encodeRecord(record('PREPARED', 7));
    expect(readOn(known, other).records).toEqual([record('PREPARED', 7)]);
    const torn = readOn(known, `${text}{"state":"SWI`);
    expect(torn.torn).toBe(true);
    expect(readOn(torn, `${text}${other}`).records).toEqual([...history, record('PREPARED', 7)]);
  });

  it('leaves what was read before as it was', () => {
    const known = readOn(emptyJournal, text);
    readOn(known, `${text}${encodeRecord(record('DAMAGED', 2))}`);
    expect(known.summary.damaged.has(2)).toBe(false);
    expect(known.records).toHaveLength(history.length);
  });
});
