import { copyFileSync, readFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { blockBytes } from '#libs/assignment/container.js';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import {
  type AssignmentReport,
  AssignmentReportSchema,
  NodeStatus,
  NotificationSchema,
  RegisterSchema,
  type SessionAnnouncement,
} from '#libs/contracts/index.js';
import { PullFixture } from '../adapters/pull-fixture.js';
import { treeAnnouncement, unicastSources } from './announcements.js';
import { Member } from './member.js';

const dataBytes = 40 * blockBytes + 17;
const names = Array.from({ length: 14 }, (_, index) => `m${index}`);
let fixture: PullFixture;
let reports: AssignmentReport[];

beforeEach(async () => {
  fixture = await PullFixture.make(dataBytes);
  reports = [];
});
afterEach(() => fixture.close());

function notification() {
  return create(NotificationSchema, {
    assignmentId: 'a',
    containerDigest: Buffer.from(fixture.digest, 'hex'),
    containerBytes: BigInt(fixture.containerBytes),
  });
}

function registered(node: string, httpUrl: string, isLeaf = false) {
  return { register: create(RegisterSchema, { node, httpUrl, isLeaf }) };
}

/** The leader's URL; it has the container. */
async function leader(): Promise<string> {
  const { url, spool } = await fixture.agent('leader');
  copyFileSync(fixture.path, spool.containerPath(fixture.digest));
  return url;
}

/** A member at work. @returns its URL, and what it does with an announcement: until it reported */
async function member(node: string) {
  const { url, spool, puller } = await fixture.agent(node);
  let done: () => void = () => undefined;
  const reported = new Promise<void>((resolve) => {
    done = resolve;
  });
  const executor = {
    liveVersions: () => [],
    reportOf: () => undefined,
    execute: async (assignmentId: string, path: string) => {
      const isSame = readFileSync(path).equals(readFileSync(fixture.path));
      const status = isSame ? NodeStatus.PREPARED : NodeStatus.FAILED;
      return create(AssignmentReportSchema, { node, assignmentId, status });
    },
  };
  const it = new Member({
    ...{ node, executor, spool, puller, clock: systemClock },
    report: (report) => {
      reports.push(report);
      done();
    },
    onLate: () => undefined,
    log: () => undefined,
  });
  const take = (announcement: SessionAnnouncement) => {
    it.wants(announcement);
    return reported;
  };
  return { url, take };
}

/** A segment of which some members are not what they seem. @returns copies that its leader sent */
async function distribute(strange: Readonly<Record<string, string>>): Promise<number> {
  const leaderUrl = await leader();
  const sound = names.filter((name) => !(name in strange));
  const members = new Map(
    await Promise.all(sound.map(async (name) => [name, await member(name)] as const)),
  );
  const urlOf = (name: string) => strange[name] ?? members.get(name)?.url ?? '';
  const known = names.map((name) => registered(name, urlOf(name)));
  const announcement = treeAnnouncement(notification(), names, leaderUrl, known);
  await Promise.all([...members.values()].map(({ take }) => take(announcement)));
  expect(reports.map(({ node }) => node).sort()).toEqual([...sound].sort());
  for (const { status } of reports) expect(status).toBe(NodeStatus.PREPARED);
  return (fixture.servedToMembers.get('leader') ?? 0) / fixture.containerBytes;
}

describe('a container for members without multicast', () => {
  test('leaves the leader twice, however many they are', async () => {
    expect(await distribute({})).toBeLessThan(2.5);
  }, 60_000);

  test('reaches all when one who passes it on is gone: two more ask the leader', async () => {
    expect(await distribute({ m0: 'http://127.0.0.1:9' })).toBeLessThan(3.5);
  }, 60_000);

  const liars: [string, RequestListener][] = [
    ['lies', (_request, response) => void response.writeHead(206).end(Buffer.alloc(4_096, 7))],
    ['says nothing', () => undefined],
  ];
  test.each(liars)(
    'reaches all when one who passes it on %s',
    async (_, listener) => {
      await distribute({ m1: await fixture.server(listener) });
    },
    60_000,
  );
});

describe('the announcement', () => {
  const leaderUrl = 'http://leader';
  const known = names.map((name) => registered(name, `http://${name}`));
  const announced = (members = known) =>
    treeAnnouncement(notification(), names, leaderUrl, members);

  test('gives each member one to pull from, and the leader after it', () => {
    expect(unicastSources(announced(), 'm0')).toEqual({ sourceUrls: [leaderUrl] });
    const [relay, last] = unicastSources(announced(), 'm13').sourceUrls;
    expect([relay, last]).toEqual(['http://m5', leaderUrl]);
  });

  test('those further down wait until those above them have turned elsewhere', () => {
    const waits = ['m2', 'm6'].map((name) => unicastSources(announced(), name).firstPatience);
    const [above, below] = waits;
    const { waitMs = 0, stallMs = 0 } = above ?? {};
    expect(below?.waitMs).toBeGreaterThan(waitMs + stallMs);
  });

  test('asks nobody to pass on who is not there or takes no connections', () => {
    const [, , ...others] = known;
    const { relayUrls } = announced([registered('m0', 'http://m0', true), ...others]);
    expect(relayUrls).toHaveLength(6);
    expect(relayUrls).not.toContain('http://m0');
    expect(relayUrls).not.toContain('http://m1');
  });
});
