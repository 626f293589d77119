import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { event, JobType, RequestRunSchema, SiteCreatedSchema } from '#libs/contracts/index.js';
import { type BeginFacts, begin } from './begin.js';
import { claimAggregate } from './claim.js';
import {
  IncompleteJob,
  InvalidName,
  InvalidRunId,
  NoTargets,
  NothingLive,
  RunConflict,
  RunExists,
  UnknownSite,
  UnknownTarget,
  UnsupportedJobType,
} from './errors.js';
import { expiryOf } from './hot.js';
import { isRepetition, type RunEvent, runAggregate } from './run.js';
import type { Server } from './targets.js';

const runId = '01920000-0000-7000-8000-000000000001';
const publish = create(RequestRunSchema, { runId, site: 'www', type: JobType.PUBLISH });
const settings = {
  staging: '/srv/www',
  filters: [{ include: false, pattern: '*.tmp' }],
  policy: { keptVersions: 3 },
};
const old = 'aa'.repeat(32);
const live = 'bb'.repeat(32);
const manifestDigest = 'cc'.repeat(32);

function server(name: string, served = '', kept: string[] = [], registered = true): Server {
  return { name, segment: 'paris', registered, labels: new Map(), served, kept };
}

const targets = [{ segment: 'paris', nodes: ['paris-1', 'paris-2'] }];
const published = {
  versions: [
    { sequence: 1, treeDigest: old, manifestDigest },
    { sequence: 3, treeDigest: live, manifestDigest },
  ],
  checkpoints: new Map([['safe', { treeDigest: old, manifestDigest }]]),
};
const taken = event('ClaimTaken', { site: 'www', runId: 'other-run', nodes: ['paris-1'] });
const { initial: noClaim, evolve: evolveClaim } = claimAggregate('www');
const facts: BeginFacts = {
  site: create(SiteCreatedSchema, { site: 'www', ...settings }),
  groups: [],
  versions: { versions: [], checkpoints: new Map() },
  members: [server('paris-2'), server('paris-1')],
  others: [],
  claim: noClaim,
  reachable: new Set(),
  budget: { perOrigin: 10, perLink: 10 },
  before: [],
  automatic: false,
  requestedAtMs: 1_000,
  nowMs: 1_000,
  prepareTimeoutMs: 600_000,
  switchTimeoutMs: 120_000,
};
const common = { runId, site: 'www', type: JobType.PUBLISH, ...settings };
const requested = event('RunRequested', { ...common, groups: ['web'] });
const started = event('RunStarted', {
  ...common,
  targets,
  startedAtMs: 1_000n,
  prepareTimeoutMs: 600_000n,
  switchTimeoutMs: 120_000n,
});

function stateAfter(events: RunEvent[]) {
  return events.reduce(runAggregate.evolve, runAggregate.initial);
}

function request(events: RunEvent[], data = publish, given: Partial<BeginFacts> = {}) {
  const state = stateAfter(events);
  if (isRepetition(data, state)) return [];
  const all = { ...facts, ...given };
  const { standing } = begin(data, all);
  const site = all.site ?? create(SiteCreatedSchema);
  const command = { type: 'request', data, site, groups: ['web'], standing } as const;
  return runAggregate.decide(command, state);
}

function close(events: RunEvent[]) {
  const command = { type: 'close', runId, status: 'partial' } as const;
  return runAggregate.decide(command, stateAfter(events));
}

describe('a run', () => {
  test('is requested and started together, with the settings of its site', () => {
    expect(request([])).toEqual([requested, started]);
  });

  test('is not started twice by a repeated request, not even when it is over', () => {
    const closed = event('RunClosed', { runId, status: 'completed' });
    expect(request([requested, started])).toEqual([]);
    expect(request([requested, started, closed])).toEqual([]);
  });

  test('keeps its id for itself', () => {
    expect(() => request([requested, started], { ...publish, site: 'shop' })).toThrow(RunExists);
    expect(() => request([requested, started], { ...publish, dryRun: true })).toThrow(RunExists);
  });

  test('waits for no other run of its site: it is refused and the other one named', () => {
    const claim = evolveClaim(noClaim, taken);
    expect(() => request([], publish, { claim })).toThrow(RunConflict);
    expect(() => request([], publish, { claim })).toThrow(/other-run/);
  });

  test('needs a site', () => {
    expect(() => request([], publish, { site: undefined })).toThrow(UnknownSite);
  });

  test('needs a registered server, unless it is a dry run', () => {
    const nobody = { members: [server('paris-1', '', [], false)] };
    expect(() => request([], publish, nobody)).toThrow(NoTargets);
    expect(request([], { ...publish, dryRun: true }, nobody)).toHaveLength(2);
  });

  test('of an unknown type is refused', () => {
    expect(() => request([], { ...publish, type: JobType.SWITCH })).toThrow(UnsupportedJobType);
    expect(() => request([], { ...publish, type: 99 as JobType })).toThrow(/99/);
  });

  test('has a UUID', () => {
    expect(() => request([], { ...publish, runId: 'a/b' })).toThrow(InvalidRunId);
  });

  test('is closed once', () => {
    const closed = event('RunClosed', { runId, status: 'partial' });
    expect(close([requested, started])).toEqual([closed]);
    expect(close([requested, started, closed])).toEqual([]);
    expect(close([requested, started, event('RunCancelled', { runId })])).toEqual([]);
    expect(close([])).toEqual([]);
  });
});

describe('a run of another job', () => {
  const startedBy = (type: JobType, more: object = {}, given: Partial<BeginFacts> = {}) => {
    const data = create(RequestRunSchema, { runId, site: 'www', type, ...more });
    const last = request([], data, { versions: published, ...given }).at(-1);
    if (last?.type !== 'RunStarted') throw new Error(`the last event is ${last?.type}`);
    return last.data;
  };
  const hex = (digest: Uint8Array | undefined) => Buffer.from(digest ?? []).toString('hex');
  const served = (run: ReturnType<typeof startedBy>) =>
    run.served.map(({ treeDigest, nodes }) => [hex(treeDigest), ...nodes]);

  test('synchronize takes the servers that do not serve the live tree, from what they have', () => {
    const members = [server('a', live), server('b', old), server('c'), server('d', '', [], false)];
    const run = startedBy(JobType.SYNCHRONIZE, {}, { members });
    expect(run.targets).toMatchObject([{ segment: 'paris', nodes: ['b', 'c'] }]);
    expect(served(run)).toEqual([
      [old, 'b'],
      ['', 'c'],
    ]);
    expect(hex(run.wanted?.treeDigest)).toBe(live);
    expect(run.keepsLiveVersion).toBe(true);
  });

  test('synchronize has nobody to bring anything to when all serve the live tree', () => {
    const run = startedBy(JobType.SYNCHRONIZE, {}, { members: [server('a', live)] });
    expect(run.targets).toEqual([]);
  });

  test('replicate starts from nothing, whatever servers have', () => {
    const members = [server('a', live), server('b', old)];
    const run = startedBy(JobType.REPLICATE, { nodes: ['a'] }, { members });
    expect(run.targets).toMatchObject([{ nodes: ['a'] }]);
    expect(served(run)).toEqual([['', 'a']]);
  });

  test('rollback goes to the version before the live one, and knows who has it on disk', () => {
    const members = [server('a', live, ['aaaaaaaaaaaaaaaa']), server('b', live, [])];
    const run = startedBy(JobType.ROLLBACK, {}, { members });
    expect(hex(run.wanted?.treeDigest)).toBe(old);
    expect(run.holders).toEqual(['a']);
    expect(run.keepsLiveVersion).toBe(false);
    expect(served(run)).toEqual([]);
  });

  test('rollback goes to the version with a number, and to no other', () => {
    const run = startedBy(JobType.ROLLBACK, { to: '#1' });
    expect(hex(run.wanted?.treeDigest)).toBe(old);
    expect(() => startedBy(JobType.ROLLBACK, { to: '2' })).toThrow(UnknownTarget);
  });

  test('restore goes to a checkpoint that the site has', () => {
    expect(hex(startedBy(JobType.RESTORE, { to: 'safe' }).wanted?.treeDigest)).toBe(old);
    expect(() => startedBy(JobType.RESTORE, { to: 'unsafe' })).toThrow(UnknownTarget);
  });

  test('hot content goes to servers that do not receive the site', () => {
    const others = [server('x'), server('y'), server('z')];
    const run = startedBy(JobType.HOT, { paths: ['a'], serverCount: 2 }, { others });
    expect(run.targets).toMatchObject([{ nodes: ['x', 'y'] }]);
    expect(run.keepsLiveVersion).toBe(true);
    expect(() => startedBy(JobType.HOT, { paths: ['a'], serverCount: 2 })).toThrow(IncompleteJob);
    expect(() => startedBy(JobType.HOT, { serverCount: 2 }, { others })).toThrow(IncompleteJob);
  });

  test('hot content goes to those with most room that the policy allows, up to its limit', () => {
    const cache = new Map([['tier', 'cache']]);
    const others = [
      { ...server('x', live), labels: cache },
      { ...server('y'), labels: cache, diskFreeBytes: 10 },
      { ...server('z'), labels: cache, diskFreeBytes: 20 },
      { ...server('w'), diskFreeBytes: 90 },
    ];
    const policy = { ...settings.policy, hot: { selector: 'tier=cache', serverLimit: 2 } };
    const site = create(SiteCreatedSchema, { ...settings, site: 'www', policy });
    const hot = (serverCount: number) =>
      startedBy(JobType.HOT, { paths: ['a'], serverCount }, { others, site });
    expect(hot(1).targets).toMatchObject([{ nodes: ['z'] }]);
    expect(() => hot(2)).toThrow('3 servers would have hot content of www, its limit is 2');
  });

  test('hot content is removed when its time is over, from who still serves it', () => {
    const hot = create(RequestRunSchema, { ...publish, type: JobType.HOT, paths: ['a'] });
    expect(expiryOf(hot, ['x'], 5_000, 0)).toBe(undefined);
    const request = expiryOf(hot, ['x', 'y', 'z'], 5_000, 60_000);
    if (!request?.terms) throw new Error('nothing is removed');
    expect(request).toMatchObject({ type: JobType.REMOVE, terms: { notBeforeMs: 65_000n } });
    const { nodes, terms } = request;
    const others = [
      { ...server('x', live), broughtBy: runId },
      { ...server('y', live), broughtBy: 'a later run' },
      { ...server('z', '', [], false), broughtBy: runId },
    ];
    const later = { others, nowMs: 65_000 };
    const run = startedBy(JobType.REMOVE, { nodes, terms }, later);
    expect(run).toMatchObject({ targets: [{ nodes: ['x', 'z'] }], keepsLiveVersion: true });
    const nobody = startedBy(JobType.REMOVE, { nodes, terms }, { nowMs: 65_000 });
    expect(nobody.targets).toEqual([]);
  });

  test('content is not removed from some of the servers of a group', () => {
    const more = { nodes: ['paris-1'], paths: ['a'] };
    expect(() => startedBy(JobType.REMOVE, more)).toThrow(IncompleteJob);
    const run = startedBy(JobType.REMOVE, more, { members: [], others: [server('paris-1', live)] });
    expect(run.keepsLiveVersion).toBe(true);
  });

  test('a checkpoint has a name and no servers', () => {
    expect(startedBy(JobType.CREATE_CHECKPOINT, { to: 'safe-2' }).checkpoint).toBe('safe-2');
    expect(() => startedBy(JobType.CREATE_CHECKPOINT, { to: 'Not Safe' })).toThrow(InvalidName);
  });

  test('needs something live', () => {
    const versions = { versions: [], checkpoints: new Map() };
    for (const type of [JobType.SYNCHRONIZE, JobType.REMOVE, JobType.ROLLBACK, JobType.HOT]) {
      const more = { paths: ['a'] };
      expect(() => startedBy(type, more, { versions })).toThrow(NothingLive);
    }
  });
});
