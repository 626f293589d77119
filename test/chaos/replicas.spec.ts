import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import pg from 'pg';
import { event } from '#libs/contracts/index.js';
import { openJetStreamLog } from '#libs/event-log/adapters/jetstream/jetstream-log.js';
import { type EventLog, noEvents } from '#libs/event-log/event-log.js';
import { until } from '../support/until.js';
import { ReplicatedFleet } from './storm/fleet.js';

const patient = 180_000;
const services = ['scheduler', 'delta', 'assignment-builder', 'tree-planner', 'reporting'];

describe('two replicas of each service', () => {
  let fleet: ReplicatedFleet;
  let nats: NatsConnection;
  let log: EventLog;
  let database: pg.Client;
  let serial = 0;

  beforeAll(async () => {
    fleet = await ReplicatedFleet.start(2);
    const { url, user, password, monitorUrl } = fleet.nats;
    nats = await connect({ servers: url, user, pass: password });
    log = await openJetStreamLog(nats, { allowLazySync: false, monitorUrl });
    database = new pg.Client({ connectionString: fleet.databaseUrl });
    await database.connect();
  }, patient);

  afterAll(async () => {
    await database?.end();
    await nats?.close();
    await fleet?.close();
  }, patient);

  /** How many lanes each replica of a service holds, most first. */
  async function lanes(service: string): Promise<number[]> {
    const manager = await jetstreamManager(nats);
    const query = { last_by_subj: `lanes.${service}` };
    const table = (await manager.streams.getMessage('LANES', query))?.json<{ holders: string[] }>();
    return sizes(table?.holders ?? []);
  }

  /** How many partitions of the read models each replica of reporting holds, most first. */
  async function partitions(): Promise<number[]> {
    const { rows } = await database.query<{ holder: string }>(
      `select coalesce(holder, '') as holder from partition_lease
      where consumer = 'read-models-1' and expires_at > now()`,
    );
    return sizes(rows.map(({ holder }) => holder));
  }

  async function createSite(): Promise<number> {
    const site = `site-${++serial}`;
    const context = { actor: 'test', correlationId: site, causationId: site };
    const events = [event('SiteCreated', { site, staging: '/nowhere' })];
    const [made] = await log.append({ type: 'site', id: site }, noEvents, events, context, 0);
    return made?.sequence ?? 0;
  }

  /** The read models hold what was just appended, all partitions of it. */
  async function expectProjected(): Promise<void> {
    let last = 0;
    for (let site = 0; site < 40; site++) last = await createSite();
    await until('the read models have it', async () => {
      const { rows } = await database.query(
        `select min(position) as position from partition_lease where consumer = 'read-models-1'`,
      );
      return Number(rows[0].position) >= last;
    });
    const { rows } = await database.query('select count(*) as sites from site');
    expect(Number(rows[0].sites)).toBe(serial);
  }

  test(
    'share the lanes and the partitions evenly',
    async () => {
      for (const service of services) {
        await until(`${service} shares`, async () => {
          const [most = 0, least = 0, ...others] = await lanes(service);
          return least > 0 && most - least <= 1 && others.length === 0;
        });
      }
      await until('the partitions are shared', async () => (await partitions()).join() === '32,32');
      await expectProjected();
    },
    patient,
  );

  test(
    'give a third one its share',
    async () => {
      const added = await fleet.addReplica('reporting');
      await until('it is ready', () => fleet.isReady(added), { timeoutMs: 60_000 });
      await until('partitions move', async () => (await partitions()).join() === '22,21,21');
      await until('lanes move', async () => (await lanes('reporting')).join() === '3,3,3');
      await expectProjected();
      await fleet.killForGood(added);
      await until('they are taken', async () => (await partitions()).join() === '32,32');
      await expectProjected();
    },
    patient,
  );

  test(
    'go on where one was killed',
    async () => {
      for (const service of services) {
        await fleet.killForGood(`${service}-2`);
        await until(`${service} goes on`, async () => (await lanes(service)).length === 1);
      }
      await until('its partitions go on', async () => (await partitions()).join() === '64');
      await expectProjected();
    },
    patient,
  );
});

function sizes(holders: readonly string[]): number[] {
  const counts = new Map<string, number>();
  for (const holder of holders) {
    if (holder !== '') counts.set(holder, (counts.get(holder) ?? 0) + 1);
  }
  return [...counts.values()].sort((a, b) => b - a);
}
