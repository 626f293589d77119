import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import {
  GoLive,
  JobType,
  RequestRunSchema,
  RunPoliciesSchema,
  SiteCreatedSchema,
  TimeWindowSchema,
  WindowPolicy,
} from '#libs/contracts/index.js';
import { type BeginFacts, begin } from './begin.js';
import { claimAggregate } from './claim.js';
import { InvalidRollout, UnknownGroup } from './errors.js';
import type { GroupEntry } from './fleet.js';
import { backoffMs, retryOf } from './retry.js';
import type { Server } from './targets.js';

const runId = '01920000-0000-7000-8000-000000000001';
const noonMs = Date.parse('2026-11-20T12:00:00Z');
const minuteMs = 60_000;

function server(name: string, more: Partial<Server> = {}): Server {
  const common = { segment: 'paris', registered: true, labels: new Map(), served: '', kept: [] };
  return { name, ...common, diskFreeBytes: 1_000, ...more };
}

function group(...windows: string[]): GroupEntry {
  return {
    name: 'web',
    site: 'www',
    membership: { $typeName: 'espalier.v1.Membership', membership: { case: 'all', value: true } },
    windows: windows.map((cron) => {
      return create(TimeWindowSchema, { cron, durationMs: BigInt(60 * minuteMs) });
    }),
  };
}

const facts: BeginFacts = {
  site: create(SiteCreatedSchema, { site: 'www', staging: '/srv/www' }),
  groups: [group()],
  versions: { versions: [], checkpoints: new Map() },
  members: [server('a'), server('b')],
  others: [],
  claim: claimAggregate('www').initial,
  reachable: new Set(['a', 'b']),
  budget: { perOrigin: 10, perLink: 10 },
  before: [],
  automatic: false,
  requestedAtMs: noonMs,
  nowMs: noonMs,
  prepareTimeoutMs: 10 * minuteMs,
  switchTimeoutMs: 2 * minuteMs,
};

function standing(
  policies: MessageInitShape<typeof RunPoliciesSchema>,
  given: Partial<BeginFacts> = {},
) {
  const request = { runId, site: 'www', type: JobType.PUBLISH, terms: { policies } };
  return begin(create(RequestRunSchema, request as never), { ...facts, ...given }).standing;
}

describe('the quorum before the start', () => {
  const all = { case: 'all', value: true } as const;
  const quorum = { needed: all, deferMs: BigInt(minuteMs) };

  test('is there when enough servers can be reached, with the disk that they need', () => {
    expect(standing({ quorum: { ...quorum, freeDiskBytes: 1_000n } }).kind).toBe('start');
  });

  test.each([
    ['not reachable', { reachable: new Set(['a']) }],
    ['not reachable', { members: [server('a'), server('b', { registered: false })] }],
    ['without enough free disk', { members: [server('a'), server('b', { diskFreeBytes: 9 })] }],
    ['failed a moment ago', { members: [server('a'), server('b', { failedAtMs: noonMs - 1 })] }],
  ] as [string, Partial<BeginFacts>][])('lacks servers that are %s: it waits', (why, given) => {
    const found = standing({ quorum: { ...quorum, freeDiskBytes: 10n } }, given);
    expect(found).toMatchObject({ kind: 'defer', untilMs: noonMs + minuteMs });
    expect(found.kind === 'defer' && found.reason).toContain(`1 of 2 servers`);
    expect(found.kind === 'defer' && found.reason).toContain(why);
  });

  test('cancels the run when nobody waits for it any more', () => {
    const late = { reachable: new Set<string>(), nowMs: noonMs + minuteMs };
    expect(standing({ quorum }, late).kind).toBe('cancel');
    expect(standing({ quorum: { needed: all } }, { reachable: new Set() }).kind).toBe('cancel');
  });

  test('may be a part of the servers: one offline server holds nobody', () => {
    const half = { needed: { case: 'percent', value: 50 } } as const;
    expect(standing({ quorum: half }, { reachable: new Set(['a']) }).kind).toBe('start');
  });
});

describe('maintenance windows', () => {
  test('are waited for', () => {
    expect(standing({}, { groups: [group('0 22 * * *')] })).toMatchObject({
      kind: 'defer',
      untilMs: noonMs + 600 * minuteMs,
    });
    expect(standing({}, { groups: [group('30 11 * * *')] }).kind).toBe('start');
  });

  test('that are open leave a run the time until they close', () => {
    const found = standing({}, { groups: [group('2 11 * * *')] });
    if (found.kind !== 'start') throw new Error(found.kind);
    const { prepareTimeoutMs = 0n, switchTimeoutMs = 0n } = found.started;
    expect(Number(prepareTimeoutMs + switchTimeoutMs)).toBe(2 * minuteMs);
  });

  test('are for the switch only where the policy says so: the download begins now', () => {
    const policies = { windows: WindowPolicy.ACTIVATE };
    const found = standing(policies, { groups: [group('0 22 * * *')] });
    expect(found).toMatchObject({
      kind: 'start',
      started: { commit: { goLive: GoLive.AT, atMs: BigInt(noonMs + 600 * minuteMs) } },
    });
  });

  test('do not hold a run that ignores them, nor one that nobody asked for', () => {
    const groups = [group('0 22 * * *')];
    expect(standing({ windows: WindowPolicy.IGNORE }, { groups }).kind).toBe('start');
    expect(standing({}, { groups, automatic: true }).kind).toBe('start');
  });
});

describe('a deadline', () => {
  const deadlineMs = BigInt(4 * minuteMs);

  test('leaves a run what is left of it', () => {
    const found = standing({ deadlineMs }, { nowMs: noonMs + 2 * minuteMs });
    if (found.kind !== 'start') throw new Error(found.kind);
    expect(found.started.prepareTimeoutMs).toBe(BigInt(minuteMs));
    expect(found.started.switchTimeoutMs).toBe(BigInt(minuteMs));
  });

  test('cancels a run that could not begin', () => {
    expect(standing({ deadlineMs }, { nowMs: noonMs + 4 * minuteMs }).kind).toBe('cancel');
  });
});

describe('the budget', () => {
  test('holds a run whose link is full, and no other', () => {
    const use = (id: string, segment: string) => ({ runId: id, segments: [segment] });
    const budget = { perOrigin: 3, perLink: 1 };
    const elsewhere = standing({}, { budget, before: [use('x', 'tokyo')] });
    expect(elsewhere.kind).toBe('start');
    const full = standing({}, { budget, before: [use('x', 'paris')] });
    expect(full).toMatchObject({ kind: 'queue', blockingRunId: '' });
    const before = ['x', 'y', 'z'].map((id) => use(id, id));
    expect(standing({}, { budget, before }).kind).toBe('queue');
  });
});

describe('waves', () => {
  const rollout = { waves: [{ members: { case: 'count', value: 1 } as const }] };
  const judged = (init: object) => {
    const request = { runId, site: 'www', type: JobType.PUBLISH, terms: { policies: { rollout } } };
    return begin(create(RequestRunSchema, { ...request, ...init } as never), facts).standing.kind;
  };

  test('are for a publish that is no dry run, and for nothing else', () => {
    expect(judged({})).toBe('roll-out');
    expect(judged({ dryRun: true })).toBe('start');
    expect(() => judged({ type: JobType.SYNCHRONIZE })).toThrow(InvalidRollout);
  });
});

test('groups that the site has not are refused', () => {
  const request = { runId, site: 'www', type: JobType.PUBLISH, terms: { groups: ['shop'] } };
  expect(() => begin(create(RequestRunSchema, request), facts)).toThrow(UnknownGroup);
});

describe('retries', () => {
  const policies = { retry: { attempts: 2, firstDelayMs: 1_000n, longestDelayMs: 3_000n } };
  const request = create(RequestRunSchema, {
    ...{ runId, site: 'www', type: JobType.PUBLISH, terms: { policies } },
  });

  test('are for the servers that missed the run', () => {
    const outcome = { $typeName: 'espalier.v1.RunPartiallyCompleted', missed: [{ node: 'b' }] };
    const retry = retryOf(request, outcome as never, noonMs);
    expect(retry).toMatchObject({
      ...{ type: JobType.SYNCHRONIZE, nodes: ['b'] },
      terms: { attempt: 1, retryOf: runId, notBeforeMs: BigInt(noonMs + 1_000) },
    });
    expect(retryOf(retry ?? request, outcome as never, noonMs)?.terms?.attempt).toBe(2);
  });

  test('are of the whole run when nothing went live, and end', () => {
    const outcome = { $typeName: 'espalier.v1.RunFailed', missed: [] } as never;
    const first = retryOf(request, outcome, noonMs) ?? request;
    expect(first).toMatchObject({ type: JobType.PUBLISH, nodes: [] });
    const second = retryOf(first, outcome, noonMs) ?? request;
    expect(retryOf(second, outcome, noonMs)).toBeUndefined();
    expect(new Set([runId, first.runId, second.runId]).size).toBe(3);
  });

  test('wait twice as long each time, up to a limit', () => {
    expect([1, 2, 3, 99].map((attempt) => backoffMs(attempt, 1_000, 3_000))).toEqual([
      1_000, 2_000, 3_000, 3_000,
    ]);
  });
});
