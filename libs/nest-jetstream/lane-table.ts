/**
 * Which replica of a service reads which lane of its consumers. A lane is a part of the partitions
 * of the log; the table is one message in NATS that is replaced by compare and set, so that two
 * replicas never hold one lane. The message's sequence is the fencing token of all it says.
 */
export interface LaneTable {
  /** How often each replica has said that it lives. */
  readonly beats: Readonly<Record<string, number>>;
  /** The holder of each lane; empty for a free one. */
  readonly holders: readonly string[];
}

export interface LaneStep {
  readonly table: LaneTable;
  /** The lanes that the replica holds by the table. */
  readonly own: readonly number[];
  /** Those of them that fall to another: to be given back once their work is finished. */
  readonly surplus: readonly number[];
}

export function emptyTable(lanes: number): LaneTable {
  return { beats: {}, holders: Array.from({ length: lanes }, () => '') };
}

/**
 * The table after one beat of a replica: takes its share of free lanes, gives back what it has
 * finished with, and strikes out replicas that are dead.
 * @param finished own lanes that it does not read any more
 */
export function beat(
  before: LaneTable,
  replica: string,
  dead: ReadonlySet<string>,
  finished: ReadonlySet<number>,
): LaneStep {
  const beats = Object.fromEntries(
    Object.entries(before.beats).filter(([name]) => !dead.has(name) || name === replica),
  );
  beats[replica] = (beats[replica] ?? 0) + 1;
  const alive = Object.keys(beats).sort();
  const shareOf = (lane: number) => alive[lane % alive.length];
  const holders = before.holders.map((holder, lane) => {
    const isFree = !(holder in beats) || (holder === replica && finished.has(lane));
    if (!isFree) return holder;
    return shareOf(lane) === replica ? replica : '';
  });
  const own = holders.flatMap((holder, lane) => (holder === replica ? [lane] : []));
  return {
    table: { beats, holders },
    own,
    surplus: own.filter((lane) => shareOf(lane) !== replica),
  };
}

/** The table without a replica that leaves: its lanes are free at once. */
export function farewell(before: LaneTable, replica: string): LaneTable {
  const { [replica]: _, ...beats } = before.beats;
  const holders = before.holders.map((holder) => (holder === replica ? '' : holder));
  return { beats, holders };
}
