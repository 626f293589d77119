import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { ensureStreams } from '#libs/event-log/adapters/jetstream/streams.js';
import { silentLogger } from '#libs/telemetry/logger.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { type CuttableProxy, cuttableProxy } from '#test/support/cuttable-proxy.js';
import { type TestNats, withNats } from '#test/support/servers.js';
import { until } from '#test/support/until.js';
import { LaneHolder, laneTtlMs } from './lane-holder.js';

const lanes = 4;
let server: TestNats;
let proxy: CuttableProxy;
let clock: VirtualClock;
let connections: NatsConnection[];
let holders: LaneHolder[];
/** What each replica began to read, and ended, in turn: `+2` and `-2`. */
let moves: Map<string, string[]>;

beforeEach(async () => {
  server = await withNats();
  proxy = await cuttableProxy(Number(new URL(server.url).port));
  [clock, connections, holders, moves] = [new VirtualClock(), [], [], new Map()];
});

afterEach(async () => {
  await Promise.all(holders.map((holder) => holder.stop()));
  for (const connection of connections) await connection.close();
  await proxy.close();
  await server.stop();
});

async function replica(name: string): Promise<LaneHolder> {
  const nats = await connect({
    servers: `nats://127.0.0.1:${proxy.port}`,
    ...{ user: server.user, pass: server.password },
    ...{ maxReconnectAttempts: -1, reconnectTimeWait: 50, reconnectJitter: 0 },
  });
  connections.push(nats);
  await ensureStreams(nats);
  const manager = await jetstreamManager(nats);
  const own: string[] = [];
  moves.set(name, own);
  const holder = new LaneHolder({
    ...{ nats, manager, clock, logger: silentLogger, service: 'probe', replica: name, lanes },
    start: async (lane) => void own.push(`+${lane}`),
    stop: async (lane) => void own.push(`-${lane}`),
  });
  await holder.start();
  holders.push(holder);
  return holder;
}

/** Lets the replicas beat, one after the other, until something is so. */
function beating(what: string, isSo: () => boolean): Promise<boolean> {
  return until(
    what,
    () => {
      clock.advance(20);
      return isSo();
    },
    { intervalMs: 10 },
  );
}

describe('replicas that share lanes', () => {
  it('do not take each other for dead when none of them could reach the server', async () => {
    const [a, b] = [await replica('a'), await replica('b')];
    await beating('each has half', () => a.lanes.length === 2 && b.lanes.length === 2);
    const shares = [a.lanes, b.lanes];
    for (const own of moves.values()) own.length = 0;
    await proxy.cut();
    const stopped = () => a.lanes.length + b.lanes.length === 0;
    await beating('neither reads what another may have taken', stopped);
    clock.advance(2 * laneTtlMs);
    await proxy.restore();
    await beating('they read on', () => a.lanes.length === 2 && b.lanes.length === 2);
    expect([a.lanes, b.lanes]).toEqual(shares);
    for (const [index, own] of [...moves.values()].entries()) {
      expect(new Set(own)).toEqual(
        new Set(shares[index]?.flatMap((lane) => [`-${lane}`, `+${lane}`])),
      );
    }
  }, 60_000);

  it('take the lanes of one that is dead', async () => {
    const [a, b] = [await replica('a'), await replica('b')];
    await beating('each has half', () => a.lanes.length === 2 && b.lanes.length === 2);
    await connections[1]?.close();
    await beating('the other has all', () => a.lanes.length === lanes);
  }, 60_000);
});
