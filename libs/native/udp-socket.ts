import { loadLibrary, type NativeFunction } from './ffi.js';

/** What a UDP socket is to be able to do, beyond what Node offers. */
export interface UdpSocketWishes {
  /** IPv4 address, a group's for a socket that hears one, and port; 0: any. */
  readonly address: string;
  readonly port: number;
  /** Address of the interface by which the group at `address` is joined; without: it is not. */
  readonly joinsBy?: string;
  /** Others may bind to the same address and port. */
  readonly shared: boolean;
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
  /** The kernel joins datagrams that follow each other (UDP_GRO): fewer, longer reads. */
  readonly joinsReceived: boolean;
  /** The kernel cuts what is sent into datagrams of so many bytes (UDP_SEGMENT). */
  readonly segmentBytes?: number;
}

export interface ReceiveQueue {
  /** How full the receive buffer is, 0 to 1. */
  readonly usedShare: number;
  /** Datagrams that came and found it full. */
  readonly drops: number;
}

/** An open, bound socket. Who adopts the descriptor (`dgram`'s `bind({fd})`) closes it. */
export interface UdpSocket {
  readonly fd: number;
  /** Reads what the kernel has joined. @returns bytes in `target`; negative: nothing there */
  receive(target: Uint8Array): number;
  /** To whom the socket is connected. @returns whether the kernel has taken all of it just now */
  send(bytes: Uint8Array): boolean;
  /** What waits to be read. Not after the socket was closed. */
  queue(): ReceiveQueue;
  /** @returns whether the kernel cuts what is sent from now on */
  setSegmentBytes(bytes: number): boolean;
  /** Unless something else has adopted the descriptor. */
  close(): void;
}

const socketLevel = 1;
const ipLevel = 0;
const udpLevel = 17;
const option = { reuseAddress: 2, meminfo: 55, segment: 103, join: 104, addMembership: 35 };
const buffers = { receive: { forced: 33, plain: 8 }, send: { forced: 32, plain: 7 } };
const internet = 2;
const datagrams = 2;
const nonBlocking = 0x800;
const closeOnExec = 0x80000;
const doNotWait = 0x40;
/** Places of the numbers that SO_MEMINFO gives. */
const meminfo = { used: 0, limit: 1, drops: 8, count: 9 };

interface Calls {
  readonly socket: NativeFunction;
  readonly bind: NativeFunction;
  readonly close: NativeFunction;
  readonly setOption: NativeFunction;
  readonly getOption: NativeFunction;
  readonly receive: NativeFunction;
  readonly send: NativeFunction;
}

/** `undefined`: not on this host (Linux and koffi are needed), or not all that is wished for. */
export function openUdpSocket(wishes: UdpSocketWishes): UdpSocket | undefined {
  const calls = loaded();
  if (!calls) return undefined;
  const fd = Number(calls.socket(internet, datagrams | nonBlocking | closeOnExec, 0));
  if (fd < 0) return undefined;
  if (configure(calls, fd, wishes)) return socketOf(calls, fd);
  calls.close(fd);
  return undefined;
}

function configure(calls: Calls, fd: number, wishes: UdpSocketWishes): boolean {
  const set = (level: number, name: number, value: number) => setInt(calls, fd, level, name, value);
  const { receive, send } = buffers;
  // Forcing is for the superuser; the plain way grants what the system's limit allows.
  const { receiveBufferBytes, sendBufferBytes } = wishes;
  if (!set(socketLevel, receive.forced, receiveBufferBytes)) {
    set(socketLevel, receive.plain, receiveBufferBytes);
  }
  if (!set(socketLevel, send.forced, sendBufferBytes)) {
    set(socketLevel, send.plain, sendBufferBytes);
  }
  if (wishes.shared && !set(socketLevel, option.reuseAddress, 1)) return false;
  if (wishes.joinsReceived && !set(udpLevel, option.join, 1)) return false;
  if (wishes.segmentBytes && !set(udpLevel, option.segment, wishes.segmentBytes)) return false;
  const address = addressOf(wishes.address, wishes.port);
  return calls.bind(fd, address, address.length) === 0 && joined(calls, fd, wishes);
}

function joined(calls: Calls, fd: number, { address, joinsBy }: UdpSocketWishes): boolean {
  if (joinsBy === undefined) return true;
  // `struct ip_mreq`: the group, then the interface.
  const request = Buffer.from([...address.split('.'), ...joinsBy.split('.')].map(Number));
  return calls.setOption(fd, ipLevel, option.addMembership, request, request.length) === 0;
}

function socketOf(calls: Calls, fd: number): UdpSocket {
  const numbers = Buffer.alloc(4 * meminfo.count);
  const length = Buffer.alloc(4);
  return {
    fd,
    receive: (target) => Number(calls.receive(fd, target, target.length, doNotWait)),
    send: (bytes) => Number(calls.send(fd, bytes, bytes.length, doNotWait)) === bytes.length,
    queue() {
      length.writeUInt32LE(numbers.length);
      const status = calls.getOption(fd, socketLevel, option.meminfo, numbers, length);
      if (status !== 0) return { usedShare: 0, drops: 0 };
      const number = (at: number) => numbers.readUInt32LE(4 * at);
      const usedShare = number(meminfo.used) / Math.max(1, number(meminfo.limit));
      return { usedShare, drops: number(meminfo.drops) };
    },
    close: () => void calls.close(fd),
    setSegmentBytes: (bytes) => setInt(calls, fd, udpLevel, option.segment, bytes),
  };
}

function setInt(calls: Calls, fd: number, level: number, name: number, value: number): boolean {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return calls.setOption(fd, level, name, bytes, bytes.length) === 0;
}

/** `struct sockaddr_in` of a host with the small end first. */
function addressOf(address: string, port: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(internet, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(address.split('.').map(Number), 4);
  return bytes;
}

let found: Calls | null | undefined;

function loaded(): Calls | undefined {
  if (found === undefined) found = process.platform === 'linux' ? (load() ?? null) : null;
  return found ?? undefined;
}

function load(): Calls | undefined {
  const library = loadLibrary(null);
  if (!library) return undefined;
  try {
    return {
      socket: library.func('int socket(int, int, int)'),
      bind: library.func('int bind(int, void *, uint32_t)'),
      close: library.func('int close(int)'),
      setOption: library.func('int setsockopt(int, int, int, void *, uint32_t)'),
      receive: library.func('int64_t recv(int, void *, size_t, int)'),
      send: library.func('int64_t send(int, void *, size_t, int)'),
      getOption: library.func('int getsockopt(int, int, int, void *, void *)'),
    };
  } catch {
    return undefined;
  }
}
