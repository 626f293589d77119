import { createHash, hash, hkdfSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { systemClock, systemRandom } from '#libs/clock/adapters/system-clock.js';
import { openFileSink } from '#libs/multicast/adapters/file-sink.js';
import { fileSource } from '#libs/multicast/adapters/file-source.js';
import { SessionReceiver } from '#libs/multicast/adapters/session-receiver.js';
import {
  type Participant,
  type SendSessionOptions,
  sendSession,
} from '#libs/multicast/adapters/session-sender.js';
import { openControlChannel } from '#libs/multicast/adapters/udp-control-channel.js';
import { udpDataChannel } from '#libs/multicast/adapters/udp-data-channel.js';
import type { SessionSubject } from '#libs/multicast/session.js';
import { optimizeLate } from '#libs/native/late-optimization.js';
import { testEnrolment } from '#libs/testkit/test-enrolment.js';

/*
 * One host of the bench of a LAN. Says what it has to say in lines of JSON.
 *   lan-node receive <node> <interface address> <file to write> <file of block digests>
 *   lan-node send <node> <interface address> <file to send> <node=address:port,...>
 * The sender reads from its standard input: the name of the next session to send, line by line.
 */
// As an agent does.
optimizeLate();
const headBytes = 1_000;
const [role = '', node = '', interfaceAddress = '', file = '', other = ''] = process.argv.slice(2);
const key = Buffer.from(hkdfSync('sha256', 'bench', '', '', 32));
const common = { segment: 'lan', node, segmentKey: { epoch: 1, key }, interfaceAddress };
const enrolment = testEnrolment(key);
const signing = { identity: enrolment.identityOf(node, 'lan'), enrolmentKeys: enrolment.keys };
const channel = { ...common, ...signing };
const control = await openControlChannel({ ...channel, address: '239.255.77.1', port: 47_701 });
const data = udpDataChannel({ ...common, address: '239.255.77.2', port: 47_702 });

if (role === 'receive') receive();
else await send();

function receive(): void {
  process.once('SIGTERM', () => process.exit(0));
  let start = process.cpuUsage();
  // A finer look would wake the process more often than the session does.
  const turns = monitorEventLoopDelay({ resolution: 20 });
  turns.enable();
  const digests = readFileSync(other);
  const isSound = (place: number, bytes: Uint8Array) => {
    const digest = hash('sha256', bytes, 'buffer');
    return digest.equals(digests.subarray(32 * place, 32 * place + 32));
  };
  const over = (how: string) => {
    const cpuS = cpuSince(start);
    const systemCpuS = process.cpuUsage(start).system / 1e6;
    const rssMb = Math.round(process.memoryUsage.rss() / 1e6);
    // How long other work of an agent would have waited, in the worst of a hundred turns.
    const turnP99Ms = turns.percentile(99) / 1e6;
    say({ how, cpuS, systemCpuS, rssMb, turnP99Ms, overrun: data.overrun, dropped: data.dropped });
    start = process.cpuUsage();
    turns.reset();
  };
  new SessionReceiver({
    control,
    openData: () => data,
    clock: systemClock,
    random: systemRandom,
    node,
    wants: () => 'need',
    openSink: ({ containerBytes }) =>
      openFileSink({
        path: file,
        containerBytes: Number(containerBytes),
        headBytes,
        verifyHead: (head) => isSound(0, head),
        verifyBlock: (index, block) => isSound(index + 1, block),
        done: async () => over('done'),
        stopped: async (reason) => over(reason),
      }),
  });
  say({ port: control.unicastPort });
}

/** A session for each line that is read. */
async function send(): Promise<void> {
  const handle = await open(file, 'r');
  const { size } = await handle.stat();
  const participants = other.split(',').map((member) => {
    const [name = '', address = '', port = ''] = member.split(/[=:]/);
    return { node: name, address: { address, port: Number(port) } };
  });
  for await (const assignmentId of createInterface({ input: process.stdin })) {
    const subject = {
      assignmentId,
      containerDigest: createHash('sha256').update(assignmentId).digest(),
      containerBytes: size,
      headBytes: Math.min(headBytes, size),
      unicastUrl: 'http://nowhere/',
    };
    say(await sendOnce(subject, participants, fileSource(handle.fd)));
  }
  await handle.close();
  control.close();
  data.close();
}

async function sendOnce(
  subject: SessionSubject,
  participants: readonly Participant[],
  read: SendSessionOptions['read'],
): Promise<object> {
  const rates: number[] = [];
  /** When what was announced first: passes and their ends. */
  const announcedMs: Record<string, number> = {};
  const startedMs = systemClock.nowMs();
  const start = process.cpuUsage();
  const outcome = await sendSession({
    ...{ control, data, clock: systemClock, subject, participants, read },
    onAnnouncement: ({ rateBytesPerS, pass, passEnded, participants }) => {
      rates.push(Math.round(Number(rateBytesPerS) / 1e6));
      const what = participants.length === 0 ? 'over' : `${passEnded ? 'end of ' : ''}pass ${pass}`;
      announcedMs[what] ??= systemClock.nowMs() - startedMs;
    },
  });
  const { multicastBytes, repairBytes } = outcome;
  const framesSent =
    Math.ceil(multicastBytes / data.frameBytes) + Math.ceil(repairBytes / data.frameBytes);
  return { ...outcome, framesSent, cpuS: cpuSince(start), announcedMs, ratesMbPerS: rates };
}

/** Of a session, in seconds: what starting a process costs is left out. */
function cpuSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
