import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterEach, describe, expect, test } from '@jest/globals';
import { systemClock, systemRandom } from '#libs/clock/adapters/system-clock.js';
import { ControlMessageSchema } from '#libs/contracts/index.js';
import { testEnrolment } from '#libs/testkit/test-enrolment.js';
import type { ReceivedControl } from '../control-port.js';
import { blockBytes } from '../session.js';
import { openFileSink } from './file-sink.js';
import { SessionReceiver } from './session-receiver.js';
import { sendSession } from './session-sender.js';
import { type ControlChannel, openControlChannel } from './udp-control-channel.js';
import { type UdpDataChannel, udpDataChannel } from './udp-data-channel.js';

const enrolment = testEnrolment();
const segmentKey = { epoch: 1, key: randomBytes(32) };
const group = `239.255.${1 + (process.pid % 200)}.${1 + Math.floor(Math.random() * 250)}`;
const controlPort = 20_000 + (process.pid % 20_000);
const headBytes = 1_000;
const toClose: { close(): unknown }[] = [];

afterEach(async () => {
  for (const thing of toClose.splice(0).reverse()) await thing.close();
});

async function agent(
  node: string,
  segment = 'lan',
): Promise<{ control: ControlChannel; data: UdpDataChannel }> {
  const common = { segment, node, segmentKey, address: group, interfaceAddress: '127.0.0.1' };
  const signing = { identity: enrolment.identityOf(node, segment), enrolmentKeys: enrolment.keys };
  const control = await openControlChannel({ ...common, ...signing, port: controlPort });
  const data = udpDataChannel({ ...common, port: controlPort + 1 });
  toClose.push(control, data);
  return { control, data };
}

function leave(node: string) {
  return create(ControlMessageSchema, { message: { case: 'leave', value: { node } } });
}

function next({ control }: { control: ControlChannel }): Promise<ReceivedControl> {
  return new Promise((resolve) => {
    const stop = control.onMessage((received) => {
      stop();
      resolve(received);
    });
  });
}

describe('the control channel on loopback', () => {
  test('agents on one host hear each other and answer to where a broadcast came from', async () => {
    const [a, b] = [await agent('a'), await agent('b')];
    const heardByB = next(b);
    a.control.broadcast(leave('a'));
    const received = await heardByB;
    expect(received.message.message).toMatchObject({ case: 'leave', value: { node: 'a' } });
    expect(received.from).toEqual({ address: '127.0.0.1', port: a.control.unicastPort });
    const heardByA = next(a);
    b.control.send(leave('b'), received.from);
    expect((await heardByA).from.port).toBe(b.control.unicastPort);
  });

  test('an agent does not hear itself, nor another segment on the same group', async () => {
    const [a, b, stranger] = [await agent('a'), await agent('b'), await agent('s', 'other')];
    const heardByA: ReceivedControl[] = [];
    a.control.onMessage((received) => heardByA.push(received));
    const heardByB = next(b);
    stranger.control.broadcast(leave('s'));
    a.control.broadcast(leave('a'));
    expect((await heardByB).message.message.value).toMatchObject({ node: 'a' });
    const last = next(a);
    b.control.broadcast(leave('b'));
    await last;
    expect(heardByA).toHaveLength(1);
    expect(a.control.dropped.own).toBe(1);
    expect(a.control.dropped['other-segment']).toBe(1);
  });
});

describe('a session on loopback', () => {
  test.each([4_096, 6_000_000])('three members receive %i bytes into files', async (bytes) => {
    const directory = await mkdtemp(join(tmpdir(), 'multicast-'));
    const container = randomBytes(bytes);
    const equals = (offset: number, part: Uint8Array) =>
      container.subarray(offset, offset + part.length).equals(part);
    const leader = await agent('leader');
    const nodes = ['m0', 'm1', 'm2'];
    const members = await Promise.all(nodes.map((node) => agent(node)));
    const done: string[] = [];
    for (const [index, { control, data }] of members.entries()) {
      const node = nodes[index] ?? '';
      const receiver = new SessionReceiver({
        control,
        openData: () => data,
        clock: systemClock,
        random: systemRandom,
        node,
        wants: () => 'need',
        openSink: ({ containerBytes }) =>
          openFileSink({
            path: join(directory, node),
            containerBytes: Number(containerBytes),
            headBytes,
            verifyHead: (head) => equals(0, head),
            verifyBlock: (block, content) => equals(headBytes + block * blockBytes, content),
            done: async () => void done.push(node),
            stopped: async () => undefined,
          }),
      });
      toClose.push(receiver);
    }
    const outcome = await sendSession({
      ...leader,
      clock: systemClock,
      subject: {
        assignmentId: 'a',
        containerDigest: createHash('sha256').update(container).digest(),
        containerBytes: bytes,
        headBytes,
        unicastUrl: 'http://127.0.0.1/',
      },
      participants: nodes.map((node, index) => ({
        node,
        address: { address: '127.0.0.1', port: members[index]?.control.unicastPort ?? 0 },
      })),
      read: (offset, length) => container.subarray(offset, offset + length),
    });
    expect([...outcome.complete].sort()).toEqual(nodes);
    expect(outcome.multicastBytes).toBe(bytes);
    expect(done.sort()).toEqual(nodes);
    for (const node of nodes) {
      expect((await readFile(join(directory, node))).equals(container)).toBe(true);
    }
    if (process.env.SHOW) console.log(outcome);
    await rm(directory, { recursive: true });
  });
});
