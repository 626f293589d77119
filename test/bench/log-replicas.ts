import { type ChildProcess, spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { DataSource } from 'typeorm';
import { openDatabase } from '#services/reporting/adapters/postgres/database.js';
import { readModels } from '#services/reporting/adapters/postgres/projections.js';
import { withPostgres } from '../support/servers.js';
import { until } from '../support/until.js';

const program = fileURLToPath(new URL('projector-child.js', import.meta.url));
const patient = { timeoutMs: 600_000 };

/** What one and two replicas of the projector read in a second, each a process of its own. */
export async function measureReplicas(natsUrl: string, end: number, events: number) {
  const one = await withReplicas(natsUrl, 1, end - events, (replicas) => replicas.read(end));
  return withReplicas(natsUrl, 2, end - events, async (replicas) => {
    const two = await replicas.read(end);
    const [oneEventsPerS, twoEventsPerS] = [one, two].map((seconds) =>
      Math.round(events / seconds),
    );
    const takeOverMs = await replicas.kill();
    const joinMs = await replicas.add();
    const ratio = one / two;
    const cores = availableParallelism();
    const limits = { ratio: 1.5, takeOverMs: 5_000, joinMs: 5_000 };
    return { cores, events, oneEventsPerS, twoEventsPerS, ratio, takeOverMs, joinMs, limits };
  });
}

async function withReplicas<T>(
  natsUrl: string,
  count: number,
  position: number,
  work: (replicas: Replicas) => Promise<T>,
): Promise<T> {
  const postgres = await withPostgres();
  const database = await openDatabase(postgres.url);
  await database.query(
    `insert into partition_lease (consumer, partition, fencing_token, expires_at, position)
    select $1, partition, 0, now(), $2 from generate_series(0, 63) as partition`,
    [readModels.name, position],
  );
  const replicas = new Replicas(natsUrl, postgres.url, database);
  try {
    for (let number = 0; number < count; number++) await replicas.add();
    return await work(replicas);
  } finally {
    replicas.end();
    await database.destroy();
    await postgres.stop();
  }
}

class Replicas {
  private readonly children: ChildProcess[] = [];
  private serial = 0;

  constructor(
    private readonly natsUrl: string,
    private readonly databaseUrl: string,
    private readonly database: DataSource,
  ) {}

  /** One more. @returns how long after it came partitions are shared evenly */
  async add(): Promise<number> {
    const holder = `replica-${++this.serial}`;
    const args = [program, this.natsUrl, this.databaseUrl, holder];
    this.children.push(spawn(process.execPath, args, { stdio: ['pipe', 'ignore', 'inherit'] }));
    await until(`${holder} has come`, () => this.hasCome(holder), patient);
    return this.untilShared();
  }

  /** Kills one. @returns how long after that the others hold its partitions */
  kill(): Promise<number> {
    this.children.shift()?.kill('SIGKILL');
    return this.untilShared();
  }

  /** @returns the seconds it takes all of them to read up to a place */
  async read(end: number): Promise<number> {
    const startedMs = performance.now();
    for (const { stdin } of this.children) stdin?.write('go\n');
    await until('all is read', async () => (await this.position()) >= end, patient);
    return (performance.now() - startedMs) / 1_000;
  }

  end(): void {
    for (const child of this.children) child.kill('SIGKILL');
  }

  private async untilShared(): Promise<number> {
    const startedMs = performance.now();
    const { length } = this.children;
    await until('partitions are shared', async () => {
      const sizes = await this.sizes();
      const even = Math.floor(64 / length);
      return sizes.length === length && sizes.every((size) => size >= even);
    });
    return Math.round(performance.now() - startedMs);
  }

  private async hasCome(holder: string): Promise<boolean> {
    const rows = await this.database.query('select 1 from partition_member where holder = $1', [
      holder,
    ]);
    return rows.length > 0;
  }

  private async sizes(): Promise<number[]> {
    const rows: { size: string }[] = await this.database.query(
      `select count(*) as size from partition_lease
      where consumer = $1 and holder is not null and expires_at > now() group by holder`,
      [readModels.name],
    );
    return rows.map(({ size }) => Number(size));
  }

  private async position(): Promise<number> {
    const [row] = await this.database.query(
      'select min(position) as position from partition_lease where consumer = $1',
      [readModels.name],
    );
    return Number(row?.position ?? 0);
  }
}
