import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, expect, test } from '@jest/globals';
import { openUdpSocket, type UdpSocket, type UdpSocketWishes } from '#libs/native/udp-socket.js';

const plain: UdpSocketWishes = {
  ...{ address: '127.0.0.1', port: 0, shared: false, joinsReceived: false },
  ...{ receiveBufferBytes: 4 * 2 ** 20, sendBufferBytes: 2 ** 20 },
};
const frameBytes = 1_000;
/** Two and a half frames. */
const train = Buffer.from(Array.from({ length: 2_500 }, (_, at) => at % 251));
const isHere = openUdpSocket(plain);
isHere?.close();

const open: Socket[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.close();
});

/** Node's socket around a descriptor, or on a port of its own. */
async function socketOf(where: { fd: number } | { port: number; address: string }) {
  const socket = createSocket('udp4');
  open.push(socket);
  const listening = once(socket, 'listening');
  socket.bind(where);
  await listening;
  return socket;
}

function opened(wishes: Partial<UdpSocketWishes>): UdpSocket {
  const socket = openUdpSocket({ ...plain, ...wishes });
  if (!socket) throw new Error('this host opened one before');
  return socket;
}

/** A sender that is connected to a socket of Node. */
async function senderTo({ port }: { port: number }, wishes: Partial<UdpSocketWishes> = {}) {
  const native = opened(wishes);
  const socket = await socketOf(native);
  socket.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return native;
}

async function received(socket: Socket, count: number): Promise<Buffer[]> {
  const datagrams: Buffer[] = [];
  while (datagrams.length < count) datagrams.push((await once(socket, 'message'))[0] as Buffer);
  return datagrams;
}

/** Elsewhere it is said that there is none. */
function onHost(behaviour: string, body: () => Promise<void> | void): void {
  test(behaviour, isHere ? body : () => expect(openUdpSocket(plain)).toBeUndefined());
}

onHost('what is sent in one call is cut into datagrams, the last of them shorter', async () => {
  const receiver = await socketOf({ port: 0, address: '127.0.0.1' });
  const sender = await senderTo(receiver.address(), { segmentBytes: frameBytes });
  const heard = received(receiver, 3);
  expect(sender.send(train)).toBe(true);
  const datagrams = await heard;
  expect(datagrams.map(({ length }) => length)).toEqual([frameBytes, frameBytes, 500]);
  expect(Buffer.concat(datagrams)).toEqual(train);
});

onHost('nothing is cut any more once that is taken back', async () => {
  const receiver = await socketOf({ port: 0, address: '127.0.0.1' });
  const sender = await senderTo(receiver.address(), { segmentBytes: frameBytes });
  expect(sender.setSegmentBytes(0)).toBe(true);
  const heard = received(receiver, 1);
  sender.send(train);
  expect(await heard).toEqual([train]);
});

onHost('datagrams that follow each other are read together, and none is no error', async () => {
  const native = opened({ joinsReceived: true });
  const port = (await socketOf(native)).address();
  const sender = await senderTo(port, { segmentBytes: frameBytes });
  const memory = Buffer.alloc(65_536);
  expect(native.receive(memory)).toBeLessThan(0);
  sender.send(train);
  expect(native.receive(memory)).toBe(train.length);
  expect(memory.subarray(0, train.length)).toEqual(train);
});

onHost('a full receive buffer counts what it could not take', async () => {
  const native = opened({ receiveBufferBytes: 64 * 1024 });
  const port = (await socketOf(native)).address();
  const sender = await senderTo(port, { segmentBytes: frameBytes });
  expect(native.queue()).toEqual({ usedShare: 0, drops: 0 });
  for (let sent = 0; sent < 1_000; sent++) sender.send(train);
  const { usedShare, drops } = native.queue();
  expect(usedShare).toBeGreaterThan(0.5);
  expect(drops).toBeGreaterThan(0);
});

onHost('an address that is not this host is refused, and nothing stays open', () => {
  expect(openUdpSocket({ ...plain, address: '192.0.2.1' })).toBeUndefined();
});
