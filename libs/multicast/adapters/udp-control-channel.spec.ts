import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { create } from '@bufbuild/protobuf';
import { afterEach, describe, expect, test } from '@jest/globals';
import { systemClock, systemRandom } from '#libs/clock/adapters/system-clock.js';
import { sleep } from '#libs/clock/clock.js';
import { RegisterSchema } from '#libs/contracts/index.js';
import { SegmentRuntime } from '#libs/election/segment-runtime.js';
import { fastTimings, type SegmentTimings } from '#libs/election/timings.js';
import { leaving, testEnrolments, testSegmentKey } from '#libs/testkit/control-frames.js';
import type { ControlPort, UdpAddress } from '../control-port.js';
import { shortHash } from '../sealed-frame.js';
import { type ControlChannel, openControlChannel } from './udp-control-channel.js';

const loopback = '127.0.0.1';
const group = `239.255.${1 + (process.pid % 200)}.${1 + Math.floor(Math.random() * 250)}`;
const groupPort = 20_000 + (process.pid % 20_000);
const toClose: { close(): unknown }[] = [];

afterEach(async () => {
  for (const thing of toClose.splice(0).reverse()) await thing.close();
});

async function open(
  node: string,
  { port = groupPort, peers = [] as { node: string; address: UdpAddress }[] } = {},
): Promise<ControlChannel> {
  const channel = await openControlChannel({
    segment: 'lan',
    node,
    segmentKey: testSegmentKey,
    identity: testEnrolments.identityOf(node, 'lan'),
    enrolmentKeys: testEnrolments.keys,
    address: group,
    port,
    interfaceAddress: loopback,
    peers,
  });
  toClose.push(channel);
  return channel;
}

const at = (channel: ControlChannel) => ({ address: loopback, port: channel.unicastPort });

async function until(condition: () => boolean, limitMs = 10_000): Promise<void> {
  const untilMs = systemClock.nowMs() + limitMs;
  while (!condition()) {
    if (systemClock.nowMs() > untilMs) throw new Error(`not reached in ${limitMs} ms`);
    await sleep(systemClock, 5);
  }
}

function hearings(channel: ControlPort): string[] {
  const heard: string[] = [];
  channel.onMessage(({ message: { message } }) => {
    if (message.case === 'leave') heard.push(message.value.node);
  });
  return heard;
}

const quick: SegmentTimings = {
  ...fastTimings,
  registration: { ...fastTimings.registration, heartbeatMs: 100, expiryMs: 1_000 },
};

interface Member {
  readonly runtime: SegmentRuntime;
  readonly conflicts: string[];
  readonly reasons: string[];
}

function member(port: ControlPort, node: string, priority: bigint): Member {
  const conflicts: string[] = [];
  const reasons: string[] = [];
  const runtime = new SegmentRuntime({
    port,
    clock: systemClock,
    random: systemRandom,
    node,
    timings: quick,
    priority: () => priority,
    describe: () => create(RegisterSchema, { node }),
    announcements: () => [],
    onIdentityConflict: (name) => conflicts.push(name),
    onMembersChanged: (_members, reason) => reasons.push(reason),
  });
  runtime.start();
  toClose.push(runtime);
  return { runtime, conflicts, reasons };
}

describe('the ways to the peers of a segment', () => {
  test('are found to be multicast where peers hear it', async () => {
    const a = await open('a');
    await open('b', { peers: [{ node: 'a', address: at(a) }] });
    await until(() => a.mode() === 'multicast');
    expect(a.peers()).toMatchObject([{ node: 'b', mode: 'multicast' }]);
  });

  test('are found to be unicast where they do not, and broadcasts go that way', async () => {
    const a = await open('a');
    const b = await open('b', { port: groupPort + 1, peers: [{ node: 'a', address: at(a) }] });
    await until(() => a.mode() === 'unicast' && b.mode() === 'unicast');
    const heard = hearings(b);
    a.broadcast(leaving('a'));
    await until(() => heard.length > 0);
    expect(heard).toEqual(['a']);
  });

  test('elect a leader and register without any multicast', async () => {
    const a = await open('a');
    const peers = [{ node: 'a', address: at(a) }];
    const b = await open('b', { port: groupPort + 1, peers });
    const c = await open('c', {
      port: groupPort + 2,
      peers: [...peers, { node: 'b', address: at(b) }],
    });
    const members = [member(a, 'a', 10n), member(b, 'b', 20n), member(c, 'c', 30n)];
    const leaders = () => new Set(members.map(({ runtime }) => runtime.leader?.node));
    await until(() => leaders().size === 1 && !leaders().has(undefined));
    const leader = members.find(({ runtime }) => runtime.isLeader);
    await until(() => leader?.runtime.members.length === 3);
  });
});

describe('a control channel', () => {
  test('moves to another group and is still heard where members enter', async () => {
    const [a, b] = [await open('a'), await open('b')];
    const elsewhere = { address: group, port: groupPort + 3 };
    await a.moveTo(elsewhere);
    expect(a.group()).toEqual(elsewhere);
    const heard = { a: hearings(a), b: hearings(b) };
    b.broadcast(leaving('b'));
    a.broadcast(leaving('a'));
    await until(() => heard.a.length > 0 && heard.b.length > 0);
    await b.moveTo(elsewhere);
    a.broadcast(leaving('again'));
    await until(() => heard.b.includes('again'));
  });

  test('keeps its leader under a flood of junk on the group', async () => {
    const [a, b] = [await open('a'), await open('b')];
    const members = [member(a, 'a', 10n), member(b, 'b', 20n)];
    await until(() => members.every(({ runtime }) => runtime.leader?.node === 'b'));
    const term = members[0]?.runtime.leader?.term;
    const flood = createSocket('udp4');
    toClose.push(flood);
    flood.bind(0, loopback);
    await once(flood, 'listening');
    flood.setMulticastInterface(loopback);
    const junk = junkFrames();
    for (let burst = 0; burst < 40; burst++) {
      for (const frame of junk) flood.send(frame, groupPort, group, () => undefined);
      await sleep(systemClock, 10);
    }
    await until(() => a.dropped.limited + a.dropped.malformed > 1_000);
    expect(members.map(({ runtime }) => runtime.leader)).toMatchObject([
      { node: 'b', term },
      { node: 'b', term },
    ]);
    const heard = hearings(a);
    b.broadcast(leaving('b'));
    await until(() => heard.length > 0);
  });
});

/** Half of it noise, half of it frames that only their seal gives away. */
function junkFrames(): Buffer[] {
  return Array.from({ length: 100 }, (_, n) => {
    const frame = Buffer.alloc(300, n);
    if (n % 2 === 0) return frame;
    frame.write('ES', 0, 'latin1');
    frame[2] = 1;
    frame[3] = 1;
    frame.writeUInt32BE(testSegmentKey.epoch, 4);
    shortHash('lan').copy(frame, 8);
    frame.writeUInt32BE(n, 28);
    return frame;
  });
}

describe('two living agents of one name', () => {
  test('as members: the leader tells, drops them, and both stand back', async () => {
    const leader = member(await open('leader'), 'leader', 100n);
    await until(() => leader.runtime.isLeader);
    const first = member(await open('twin'), 'twin', 1n);
    await until(() => leader.runtime.members.length === 2);
    const twins = [first, member(await open('twin'), 'twin', 1n)];
    await until(() => twins.every(({ conflicts }) => conflicts.includes('twin')));
    await until(() => leader.reasons.some((reason) => reason.includes('duplicate twin')));
    expect(leader.runtime.members).toHaveLength(1);
  });

  test('as leaders: neither leads', async () => {
    const first = member(await open('twin'), 'twin', 100n);
    await until(() => first.runtime.isLeader);
    const second = member(await open('twin'), 'twin', 100n);
    await until(() => first.conflicts.length > 0 && second.conflicts.length > 0);
    expect([first, second].some(({ runtime }) => runtime.isLeader)).toBe(false);
  });
});
