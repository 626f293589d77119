import { once } from 'node:events';
import { connect } from '@nats-io/transport-node';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { openJetStreamLog } from '#libs/event-log/adapters/jetstream/jetstream-log.js';
import { postgresLeases } from '#libs/event-log/adapters/postgres-leases.js';
import type { EventLog, LogSubscription } from '#libs/event-log/event-log.js';
import { runProjection } from '#libs/event-log/projection-runner.js';
import { openDatabase } from '#services/reporting/adapters/postgres/database.js';
import { readModels } from '#services/reporting/adapters/postgres/projections.js';

/* One replica of the projector. Takes its share at once, and reads when it is told to. */
const [servers = '', databaseUrl = '', holder = ''] = process.argv.slice(2);
const nats = await connect({ servers });
const database = await openDatabase(databaseUrl);
const log = await openJetStreamLog(nats, { allowLazySync: true });
const told = once(process.stdin, 'data').then(() => undefined);

runProjection(readModels, {
  log: gated(log),
  clock: systemClock,
  leases: postgresLeases<typeof database.manager>(database),
  transaction: (work: (manager: typeof database.manager) => Promise<void>) =>
    database.transaction(async (manager) => {
      await manager.query('set local synchronous_commit to off');
      await work(manager);
    }),
  holder,
});

function gated(open: EventLog): EventLog {
  const follow: EventLog['follow'] = (filter) => {
    let close: () => void = () => undefined;
    const closed = new Promise<void>((resolve) => {
      close = resolve;
    });
    let isClosed = false;
    let subscription: LogSubscription<never> | undefined;
    async function* read() {
      await Promise.race([told, closed]);
      if (isClosed) return;
      subscription = open.follow(filter) as LogSubscription<never>;
      yield* subscription;
    }
    return {
      [Symbol.asyncIterator]: read,
      async close() {
        isClosed = true;
        close();
        await subscription?.close();
      },
    };
  };
  return new Proxy(open, {
    get: (target, name) => {
      if (name === 'follow') return follow;
      const value = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
