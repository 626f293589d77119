import { hkdfSync } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { systemClock, systemRandom } from '#libs/clock/adapters/system-clock.js';
import { sleep } from '#libs/clock/clock.js';
import { RegisterSchema } from '#libs/contracts/index.js';
import { customTimings } from '#libs/election/custom-timings.js';
import { SegmentRuntime } from '#libs/election/segment-runtime.js';
import { fastTimings } from '#libs/election/timings.js';
import { openControlChannel } from '#libs/multicast/adapters/udp-control-channel.js';
import { testEnrolment } from '#libs/testkit/test-enrolment.js';

/*
 * One host of a segment, without content. Says how it sees the segment in a line of JSON whenever
 * that has changed.
 *   segment-host <node> <interface address> <priority> <node=address,...>
 */
const [node = '', interfaceAddress = '', priority = '1', others = ''] = process.argv.slice(2);
const unicastPort = 47_811;
const key = Buffer.from(hkdfSync('sha256', 'segment host', '', '', 32));
const enrolment = testEnrolment(key);
const control = await openControlChannel({
  ...{ segment: 'lan', node, segmentKey: { epoch: 1, key }, interfaceAddress, unicastPort },
  ...{ identity: enrolment.identityOf(node, 'lan'), enrolmentKeys: enrolment.keys },
  ...{ address: '239.255.78.1', port: 47_810 },
  peers: others.split(',').map((other) => {
    const [name = '', address = ''] = other.split('=');
    return { node: name, address: { address, port: unicastPort } };
  }),
});
const runtime = new SegmentRuntime({
  port: control,
  clock: systemClock,
  random: systemRandom,
  node,
  timings: customTimings(fastTimings, {
    leaderAlivePeriodMs: '200',
    silenceLimitMs: '1000',
    heartbeatMs: '400',
    expiryMs: '1500',
  }),
  priority: () => BigInt(priority),
  describe: () => create(RegisterSchema, { node }),
  announcements: () => [],
});
runtime.start();
process.once('SIGTERM', () => process.exit(0));
for (let said = ''; ; await sleep(systemClock, 20)) {
  const line = JSON.stringify({
    leader: runtime.leader?.node ?? '',
    term: `${runtime.leader?.term ?? 0n}`,
    members: runtime.members.map(({ register }) => register.node).sort(),
    mode: control.mode(),
    junk: control.dropped.malformed + control.dropped.limited + control.dropped.forged,
  });
  if (line !== said) process.stdout.write(`${line}\n`);
  said = line;
}
