import { create, toBinary } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import {
  NotificationSchema,
  RegisterSchema,
  type SessionAnnouncement,
  SessionAnnouncementSchema,
} from '#libs/contracts/index.js';
import {
  fittingAnnouncements,
  inDatagrams,
  treeAnnouncement,
  unicastSources,
} from './announcements.js';

/** What a UDP datagram holds over IPv4, less room for header, credential and signature. */
const datagramBytes = 65_507 - 4_096;
const leaderUrl = 'https://leader.example.net:7443';

function treeOf(members: number, containerBytes = 2 ** 30): SessionAnnouncement {
  const names = Array.from({ length: members }, (_, n) => `server-${n}.rack-7.example.net`);
  const notification = create(NotificationSchema, {
    assignmentId: 'www-1',
    containerDigest: Buffer.alloc(32, 1),
    containerBytes: BigInt(containerBytes),
  });
  const known = names.map((node) => ({
    register: create(RegisterSchema, { node, httpUrl: `https://${node}:7443` }),
  }));
  return treeAnnouncement(notification, names, leaderUrl, known);
}

const sizeOf = (announcement: SessionAnnouncement) =>
  toBinary(SessionAnnouncementSchema, announcement).length;

describe.each([3, 500, 3_000, 10_000])('an announcement to %d members', (members) => {
  const whole = treeOf(members);
  const parts = inDatagrams(whole);

  test('leaves in datagrams, each member named once and in order', () => {
    for (const part of parts) expect(sizeOf(part)).toBeLessThan(datagramBytes);
    expect(parts.flatMap(({ participants }) => participants)).toEqual(whole.participants);
  });

  test('tells each member the same source as the whole would', () => {
    for (const part of parts) {
      for (const node of part.participants) {
        expect(unicastSources(part, node)).toEqual(unicastSources(whole, node));
      }
    }
  });
});

test('a few members are told in one datagram', () => {
  expect(inDatagrams(treeOf(500))).toHaveLength(1);
});

test('who all pull from the leader are told so in as many datagrams as it takes', () => {
  const parts = inDatagrams(treeOf(10_000, 100));
  expect(parts.length).toBeGreaterThan(1);
  for (const part of parts) {
    const [node = ''] = part.participants;
    expect(unicastSources(part, node)).toEqual({ sourceUrls: [leaderUrl] });
  }
});

test('what Leader Alive repeats fits a datagram, and all of it comes in turn', () => {
  const parts = inDatagrams(treeOf(10_000));
  const repeated = new Set<SessionAnnouncement>();
  for (let turn = 0; turn < parts.length; turn++) {
    const now = fittingAnnouncements(parts, turn);
    const bytes = now.reduce((sum, part) => sum + sizeOf(part), 0);
    expect(now.length).toBeGreaterThan(0);
    expect(bytes).toBeLessThan(datagramBytes);
    for (const part of now) repeated.add(part);
  }
  expect(repeated.size).toBe(parts.length);
});

test('an announcement that no datagram holds does not keep the others out of Leader Alive', () => {
  const [small] = inDatagrams(treeOf(3));
  const huge = treeOf(10_000);
  expect(small && fittingAnnouncements([huge, small], 0)).toEqual([small]);
});
