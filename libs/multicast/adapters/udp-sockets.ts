import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { openUdpSocket, type UdpSocket } from '#libs/native/udp-socket.js';

/** Where a multicast group is heard and sent to. */
export interface GroupEndpoint {
  /** Multicast group (IPv4) and port. */
  readonly address: string;
  readonly port: number;
  /** IPv4 address of the interface to use; 127.0.0.1 for agents on one host. */
  readonly interfaceAddress: string;
}

/** A socket of Node; `native` tells what it can do more where this host lets it. */
export interface FastSocket {
  readonly socket: Socket;
  readonly native?: UdpSocket;
}

/** What is asked of the kernel; it grants what its limits allow. */
const wantedBufferBytes = 4 * 2 ** 20;
const fastBufferBytes = 16 * 2 ** 20;

/** A socket that hears a group. @throws when the interface or the group cannot be used */
export async function openGroupSocket(endpoint: GroupEndpoint): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  // Bound to the group, a socket does not hear other groups' datagrams on the same port. Windows
  // allows local addresses only.
  const address = process.platform === 'win32' ? undefined : endpoint.address;
  return opened(socket, { port: endpoint.port, address }, () => {
    socket.addMembership(endpoint.address, endpoint.interfaceAddress);
    enlargeBuffers(socket);
  });
}

/** A socket on a port of the interface, 0 for any, that also sends to groups there. */
export async function openInterfaceSocket(interfaceAddress: string, port = 0): Promise<Socket> {
  const socket = createSocket('udp4');
  return opened(socket, { port, address: interfaceAddress }, () => {
    sendTo(socket, interfaceAddress);
    enlargeBuffers(socket);
  });
}

/**
 * Hears a group with large buffers and joined datagrams, for who looks again and again whether
 * something has come: that costs less than to be told of each datagram.
 * @returns `undefined`: not on this host
 */
export function openPolledGroupSocket(endpoint: GroupEndpoint): UdpSocket | undefined {
  const { address, port, interfaceAddress: joinsBy } = endpoint;
  return openUdpSocket({
    ...fastBuffers,
    address,
    port,
    joinsBy,
    shared: true,
    joinsReceived: true,
  });
}

/** Like `openInterfaceSocket`; what is sent is cut into datagrams where the host can. */
export async function openFastInterfaceSocket(
  interfaceAddress: string,
  segmentBytes: number,
): Promise<FastSocket> {
  const wishes = { ...fastBuffers, address: interfaceAddress, port: 0, segmentBytes };
  const native = openUdpSocket({ ...wishes, shared: false, joinsReceived: false });
  if (!native) return { socket: await openInterfaceSocket(interfaceAddress) };
  const socket = createSocket('udp4');
  const where = { fd: native.fd };
  return { socket: await opened(socket, where, () => sendTo(socket, interfaceAddress)), native };
}

/** A short send buffer: a link slower than the pace holds the sender back, and drops nothing. */
const fastBuffers = { receiveBufferBytes: fastBufferBytes, sendBufferBytes: 256 * 1024 };

function sendTo(socket: Socket, interfaceAddress: string): void {
  socket.setMulticastInterface(interfaceAddress);
  socket.setMulticastTTL(1);
  socket.setMulticastLoopback(true);
}

async function opened(
  socket: Socket,
  where: { port: number; address?: string } | { fd: number },
  configure: () => void,
): Promise<Socket> {
  try {
    // A descriptor is bound before this returns, a port later.
    const listening = once(socket, 'listening');
    socket.bind(where);
    await listening;
    configure();
  } catch (error) {
    socket.close();
    throw error;
  }
  // Datagrams may be lost anyway; an error on one is a loss and no more.
  socket.on('error', () => undefined);
  return socket;
}

function enlargeBuffers(socket: Socket): void {
  for (let bytes = wantedBufferBytes; bytes > 65_536; bytes /= 2) {
    try {
      socket.setRecvBufferSize(bytes);
      socket.setSendBufferSize(bytes);
      return;
    } catch {
      // Some systems refuse what is over their limit instead of granting less.
    }
  }
}

const ethernetMtu = 1500;

/** Largest IP packet of the interface with this address; Ethernet's where it cannot be told. */
export function mtuOf(interfaceAddress: string): number {
  const found = Object.entries(networkInterfaces()).find(([, addresses]) =>
    addresses?.some(({ address }) => address === interfaceAddress),
  );
  if (!found) return ethernetMtu;
  try {
    return Number(readFileSync(`/sys/class/net/${found[0]}/mtu`, 'utf8'));
  } catch {
    return ethernetMtu;
  }
}
