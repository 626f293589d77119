/** What was begun or done with a version. */
export type JournalState =
  | 'PREPARING'
  | 'PREPARED'
  | 'SWITCHING'
  | 'SWITCHED'
  | 'CONFIRMED'
  | 'DAMAGED'
  | 'FAILED';

/** A real directory that a switch put a tree into; the inode number tells which tree it is. */
export interface PlacedDirectory {
  readonly path: string;
  readonly inode: string;
}

/** One line of a site's journal. */
export interface JournalRecord {
  readonly state: JournalState;
  readonly sequence: number;
  readonly treeDigest: string;
  readonly timeMs: number;
  /** SWITCHING: what was live before, if anything was. */
  readonly from?: number;
  /** SWITCHING and SWITCHED, where the live path is a real directory. */
  readonly directory?: PlacedDirectory;
  /** PREPARED: hooks that the assignment names, run once its version is live. */
  readonly hooks?: readonly string[];
  /**
   * FAILED and DAMAGED: what failed, and why. A switch that was undone leaves its version prepared.
   */
  readonly during?: 'prepare' | 'switch' | 'checks';
  readonly reason?: string;
}

export interface JournalSummary {
  /** Tree digests of the versions that were prepared completely, by sequence. */
  readonly prepared: ReadonlyMap<number, string>;
  /** Versions whose files are not what was signed any more: nothing is made from them. */
  readonly damaged: ReadonlySet<number>;
  /** Names of the hooks that versions brought along, by sequence. */
  readonly hooks: ReadonlyMap<number, readonly string[]>;
  /** The last switch that was begun and not undone. */
  readonly lastSwitch?: JournalRecord & { readonly done: boolean; readonly confirmed: boolean };
  /** The switch before it that was done, which is what a switch under way comes from. */
  readonly doneBefore?: JournalSummary['lastSwitch'];
  /** The newest sequence that a switch was begun to; 0: none. */
  readonly highestSwitched: number;
}

const states: ReadonlySet<unknown> = new Set<JournalState>([
  'PREPARING',
  'PREPARED',
  'SWITCHING',
  'SWITCHED',
  'CONFIRMED',
  'DAMAGED',
  'FAILED',
]);

export function encodeRecord(record: JournalRecord): string {
  return `${JSON.stringify(record)}\n`;
}

/** A journal's text and what it says. */
export interface JournalReading {
  readonly text: string;
  readonly records: readonly JournalRecord[];
  readonly summary: JournalSummary;
  /** A line, usually the last, was not written completely. */
  readonly torn: boolean;
}

const emptySummary: JournalSummary = {
  prepared: new Map(),
  damaged: new Set(),
  hooks: new Map(),
  highestSwitched: 0,
};

export const emptyJournal: JournalReading = {
  text: '',
  records: [],
  summary: emptySummary,
  torn: false,
};

/** Reads a journal on from what is known of it: of one that only grew, the new lines alone. */
export function readOn(known: JournalReading, text: string): JournalReading {
  if (text === known.text) return known;
  const start = !known.torn && text.startsWith(known.text) ? known : emptyJournal;
  const lines = text.slice(start.text.length).split('\n');
  const added = lines.map(decodeLine).filter((record) => record !== undefined);
  return {
    text,
    records: [...start.records, ...added],
    summary: added.reduce(afterRecord, start.summary),
    torn: lines.at(-1) !== '' || added.length !== lines.length - 1,
  };
}

export function summarize(records: readonly JournalRecord[]): JournalSummary {
  return records.reduce(afterRecord, emptySummary);
}

function afterRecord(summary: JournalSummary, record: JournalRecord): JournalSummary {
  const { state, sequence, during } = record;
  const { lastSwitch, doneBefore } = summary;
  switch (state) {
    case 'PREPARED':
      return afterPrepared(summary, record);
    case 'PREPARING':
      return { ...summary, prepared: without(summary.prepared, sequence) };
    case 'DAMAGED':
      return {
        ...summary,
        prepared: without(summary.prepared, sequence),
        damaged: new Set(summary.damaged).add(sequence),
      };
    case 'FAILED':
      if (during === 'switch') return { ...summary, lastSwitch: doneBefore };
      if (during !== 'prepare') return summary;
      return { ...summary, prepared: without(summary.prepared, sequence) };
    case 'SWITCHING':
      return { ...summary, lastSwitch: { ...record, done: false, confirmed: false } };
    case 'SWITCHED': {
      const done = { ...record, done: true, confirmed: false };
      const highestSwitched = Math.max(summary.highestSwitched, sequence);
      return { ...summary, lastSwitch: done, doneBefore: done, highestSwitched };
    }
    case 'CONFIRMED': {
      if (lastSwitch?.sequence !== sequence) return summary;
      const confirmed = { ...lastSwitch, confirmed: true };
      return { ...summary, lastSwitch: confirmed, doneBefore: confirmed };
    }
  }
}

function afterPrepared(summary: JournalSummary, record: JournalRecord): JournalSummary {
  const { sequence, treeDigest, hooks = [] } = record;
  const damaged = new Set(summary.damaged);
  damaged.delete(sequence);
  return {
    ...summary,
    prepared: new Map(summary.prepared).set(sequence, treeDigest),
    hooks: new Map(summary.hooks).set(sequence, hooks),
    damaged,
  };
}

function without(versions: JournalSummary['prepared'], sequence: number) {
  if (!versions.has(sequence)) return versions;
  const rest = new Map(versions);
  rest.delete(sequence);
  return rest;
}

/**
 * The records that still say something: of versions on disk, of the newest sequence that was ever
 * live, and of the last switch.
 */
export function condense(
  records: readonly JournalRecord[],
  onDisk: ReadonlySet<number>,
): JournalRecord[] {
  const { prepared, damaged, lastSwitch, highestSwitched } = summarize(records);
  const last = new Map(records.map((record) => [`${record.state} ${record.sequence}`, record]));
  const kept = [...prepared.keys()]
    .filter((sequence) => onDisk.has(sequence))
    .map((sequence) => last.get(`PREPARED ${sequence}`));
  kept.push(...[...damaged].map((sequence) => last.get(`DAMAGED ${sequence}`)));
  kept.push(last.get(`SWITCHED ${highestSwitched}`));
  if (lastSwitch?.sequence !== highestSwitched)
    kept.push(last.get(`SWITCHED ${lastSwitch?.sequence}`));
  if (lastSwitch?.confirmed) kept.push(last.get(`CONFIRMED ${lastSwitch.sequence}`));
  return kept.filter((record) => record !== undefined);
}

function decodeLine(line: string): JournalRecord | undefined {
  try {
    const record: unknown = JSON.parse(line);
    return isRecord(record) ? record : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is JournalRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { state, sequence, treeDigest, timeMs } = value as Partial<JournalRecord>;
  return (
    states.has(state) &&
    Number.isSafeInteger(sequence) &&
    typeof treeDigest === 'string' &&
    typeof timeMs === 'number'
  );
}
