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
  readonly doneBefore?: JournalRecord;
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

/** The records of a journal; `torn`: a line, usually the last, was not written completely. */
export function decodeJournal(text: string): { records: JournalRecord[]; torn: boolean } {
  const lines = text.split('\n');
  const records = lines.map(decodeLine).filter((record) => record !== undefined);
  return { records, torn: lines.at(-1) !== '' || records.length !== lines.length - 1 };
}

export function summarize(records: readonly JournalRecord[]): JournalSummary {
  const prepared = new Map<number, string>();
  const hooks = new Map<number, readonly string[]>();
  const damaged = new Set<number>();
  let lastSwitch: JournalSummary['lastSwitch'];
  let doneBefore: JournalSummary['lastSwitch'];
  let highestSwitched = 0;
  for (const record of records) {
    const { state, sequence } = record;
    if (state === 'PREPARED') {
      prepared.set(sequence, record.treeDigest);
      hooks.set(sequence, record.hooks ?? []);
      damaged.delete(sequence);
    }
    if (state === 'DAMAGED') {
      prepared.delete(sequence);
      damaged.add(sequence);
    }
    if (state === 'PREPARING') prepared.delete(sequence);
    if (state === 'FAILED' && record.during === 'prepare') prepared.delete(sequence);
    if (state === 'FAILED' && record.during === 'switch') lastSwitch = doneBefore;
    if (state === 'SWITCHING') lastSwitch = { ...record, done: false, confirmed: false };
    if (state === 'SWITCHED') {
      lastSwitch = { ...record, done: true, confirmed: false };
      doneBefore = lastSwitch;
      highestSwitched = Math.max(highestSwitched, sequence);
    }
    if (state === 'CONFIRMED' && lastSwitch?.sequence === sequence) {
      lastSwitch = { ...lastSwitch, confirmed: true };
      doneBefore = lastSwitch;
    }
  }
  return { prepared, damaged, hooks, lastSwitch, doneBefore, highestSwitched };
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
