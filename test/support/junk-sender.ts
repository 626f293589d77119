import { once } from 'node:events';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { sleep } from '#libs/clock/clock.js';
import { openFastInterfaceSocket } from '#libs/multicast/adapters/udp-sockets.js';
import { shortHash } from '#libs/multicast/sealed-frame.js';

/*
 * Fills the control group of a segment with frames that nobody may send: half of them noise, half
 * of them such that only their seal gives them away. Says how many when it ends.
 *   junk-sender <interface address> <group> <port> <frames per second> <seconds>
 */
const [interfaceAddress = '', group = '', port = '', perSecond = '', seconds = ''] =
  process.argv.slice(2);
const frameBytes = 300;
const heapFrames = 50;
const { socket, native } = await openFastInterfaceSocket(interfaceAddress, frameBytes);
const connected = once(socket, 'connect');
socket.connect(Number(port), group);
await connected;
const heap = Buffer.concat(Array.from({ length: heapFrames }, (_, n) => frame(n)));
const everyMs = (1_000 * heapFrames) / Number(perSecond);
const startedMs = systemClock.nowMs();
let sent = 0;
for (let heaps = 0; heaps * everyMs < 1_000 * Number(seconds); heaps++) {
  const earlyMs = startedMs + heaps * everyMs - systemClock.nowMs();
  if (earlyMs > 0) await sleep(systemClock, Math.ceil(earlyMs));
  if (native?.send(heap)) sent += heapFrames;
}
process.stdout.write(`${JSON.stringify({ sent })}\n`);
socket.close();

function frame(number: number): Buffer {
  const bytes = Buffer.alloc(frameBytes, number);
  if (number % 2 === 0) return bytes;
  bytes.write('ES', 0, 'latin1');
  bytes[2] = 1;
  bytes[3] = 1;
  bytes.writeUInt32BE(1, 4);
  shortHash('lan').copy(bytes, 8);
  bytes.writeUInt32BE(number, 28);
  return bytes;
}
