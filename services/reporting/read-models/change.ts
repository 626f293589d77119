import type { EventType, RecordedEvent } from '#libs/contracts/index.js';

/** The tables of the read models; all are rebuilt from the log. */
export const tables = [
  'site',
  'content_group',
  'node',
  'segment',
  'run',
  'run_node',
  'run_link',
  'run_segment',
  'assignment',
] as const;

export type Table = (typeof tables)[number];

export type Value = string | number | boolean | null | readonly string[] | object;
export type Row = Readonly<Record<string, Value>>;

/**
 * One change of a read model. Changes of events from different aggregates touch different columns,
 * so that they give the same rows in whatever order partitions are read.
 */
export type Change =
  /** Sets columns of a row, making it when it is not there. */
  | { readonly kind: 'upsert'; readonly table: Table; readonly key: Row; readonly set: Row }
  /** Makes a row; leaves one that is there alone. */
  | { readonly kind: 'insert'; readonly table: Table; readonly key: Row; readonly set: Row }
  | { readonly kind: 'delete'; readonly table: Table; readonly key: Row }
  /** Sets columns of all rows in a scope but those named. */
  | {
      readonly kind: 'update-others';
      readonly table: Table;
      readonly scope: Row;
      readonly except: { readonly column: string; readonly values: readonly string[] };
      readonly set: Row;
    };

/** What events change; a kind that is not there changes nothing. */
export type Handlers = {
  readonly [T in EventType]?: (happened: RecordedEvent<T>) => readonly Change[];
};
