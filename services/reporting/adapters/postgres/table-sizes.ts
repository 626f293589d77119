import type { DataSource } from 'typeorm';

/** The tables of reporting with their rows, as PostgreSQL estimates them, and their bytes. */
export async function tableSizes(database: DataSource) {
  const rows: { table: string; rows: string; bytes: string }[] = await database.query(
    `select relname as table, greatest(n_live_tup, 0) as rows,
      pg_total_relation_size(relid) as bytes
    from pg_stat_user_tables where schemaname = 'public' order by bytes desc`,
  );
  return rows.map((row) => ({
    table: row.table,
    rows: Number(row.rows),
    bytes: Number(row.bytes),
  }));
}
