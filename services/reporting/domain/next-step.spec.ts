import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import {
  AssignmentBuiltSchema,
  AssignmentReportSchema,
  ChangeSetComputedSchema,
  CommitIssuedSchema,
  CommitPolicySchema,
  GoLive,
  NodeStatus,
  RunStartedSchema,
  SegmentPreparedSchema,
  SegmentSwitchedSchema,
} from '#libs/contracts/index.js';
import * as steps from './next-step.js';
import type { RunProgress } from './run-progress.js';

const p99Ms = 40;
const nextStep = (run: RunProgress, nowMs: number) => steps.nextStep(run, nowMs, p99Ms);
const deadlineMs = (run: RunProgress, nowMs: number) => steps.deadlineMs(run, nowMs, p99Ms);

const startedAtMs = 1_000n;
const started = create(RunStartedSchema, {
  runId: 'run-1',
  site: 'www',
  startedAtMs,
  prepareTimeoutMs: 60_000n,
  switchTimeoutMs: 10_000n,
  targets: [
    { segment: 'paris', nodes: ['p1', 'p2'] },
    { segment: 'tokyo', nodes: ['t1'] },
  ],
});
const changes = create(ChangeSetComputedSchema, {
  baseTreeDigest: Uint8Array.of(1),
  resultTreeDigest: Uint8Array.of(2),
});
const built = create(AssignmentBuiltSchema, { sequence: 7n, resultTreeDigest: Uint8Array.of(2) });
const empty: RunProgress = { started, prepared: new Map(), switched: new Map() };

function report(node: string, status: NodeStatus, error = '') {
  return create(AssignmentReportSchema, { node, status, error });
}

function prepared(segment: string, ...nodes: ReturnType<typeof report>[]) {
  return [segment, create(SegmentPreparedSchema, { segment, nodes })] as const;
}

function switched(segment: string, ...nodes: ReturnType<typeof report>[]) {
  return [segment, create(SegmentSwitchedSchema, { segment, nodes })] as const;
}

const parisReady = prepared(
  'paris',
  report('p1', NodeStatus.PREPARED),
  report('p2', NodeStatus.FAILED, 'disk full'),
);
const tokyoReady = prepared('tokyo', report('t1', NodeStatus.PREPARED));

describe('the next step of a run', () => {
  it('is to wait while staging is scanned', () => {
    expect(nextStep(empty, 2_000)).toBeUndefined();
  });

  it('completes a run that changes nothing', () => {
    const same = create(ChangeSetComputedSchema, {
      baseTreeDigest: Uint8Array.of(1),
      resultTreeDigest: Uint8Array.of(1),
    });
    expect(nextStep({ ...empty, changes: same }, 1_500)).toMatchObject({
      type: 'complete',
      run: { nothingChanged: true, durationMs: 500n },
    });
  });

  it('completes a dry run without distributing anything', () => {
    const dry = create(ChangeSetComputedSchema, { ...changes, dryRun: true });
    expect(nextStep({ ...empty, changes: dry }, 2_000)).toMatchObject({
      type: 'complete',
      run: { nothingChanged: false },
    });
  });

  it('waits for the last targeted segment', () => {
    const run = { ...empty, changes, built, prepared: new Map([parisReady]) };
    expect(nextStep(run, 2_000)).toBeUndefined();
  });

  it('issues the commit to those that are prepared once every segment has reported', () => {
    const run = { ...empty, changes, built, prepared: new Map([parisReady, tokyoReady]) };
    expect(nextStep(run, 2_000)).toMatchObject({
      type: 'issue-commit',
      commit: {
        sequence: 7n,
        prepared: [
          { segment: 'paris', nodes: ['p1'] },
          { segment: 'tokyo', nodes: ['t1'] },
        ],
      },
    });
  });

  it('issues the commit without a silent segment when the time to prepare is over', () => {
    const run = { ...empty, changes, built, prepared: new Map([tokyoReady]) };
    expect(deadlineMs(run, 0)).toBe(61_000);
    expect(nextStep(run, 60_999)).toBeUndefined();
    expect(nextStep(run, 61_000)).toMatchObject({
      type: 'issue-commit',
      commit: { prepared: [{ segment: 'tokyo', nodes: ['t1'] }] },
    });
  });

  it('fails when no server could prepare, and says why', () => {
    const none = new Map([
      prepared(
        'paris',
        report('p1', NodeStatus.FAILED, 'disk full'),
        report('p2', NodeStatus.MISSING),
      ),
      prepared('tokyo', report('t1', NodeStatus.MISSING)),
    ]);
    const step = nextStep({ ...empty, changes, built, prepared: none }, 2_000);
    expect(step?.type).toBe('fail');
    expect(step?.type === 'fail' && step.run.reason).toContain('p1: disk full');
  });

  it('fails at once when the content could not be read', () => {
    expect(nextStep({ ...empty, failure: 'no such directory' }, 2_000)).toMatchObject({
      type: 'fail',
      run: { reason: 'no such directory' },
    });
  });

  describe('after the commit', () => {
    const commit = create(CommitIssuedSchema, {
      prepared: [
        { segment: 'paris', nodes: ['p1'] },
        { segment: 'tokyo', nodes: ['t1'] },
      ],
    });
    const committed: RunProgress = {
      ...empty,
      changes,
      built,
      commit,
      committedAtMs: 5_000,
      prepared: new Map([parisReady, tokyoReady]),
    };

    it('ends partially, naming who missed it and why', () => {
      const run = {
        ...committed,
        switched: new Map([
          switched('paris', report('p1', NodeStatus.SWITCHED)),
          switched('tokyo', report('t1', NodeStatus.SWITCHED)),
        ]),
      };
      expect(nextStep(run, 6_000)).toMatchObject({
        type: 'complete-partially',
        run: { missed: [{ node: 'p2', error: 'disk full' }] },
      });
    });

    it('completes when every target switched', () => {
      const run = {
        ...committed,
        switched: new Map([
          switched('paris', report('p1', NodeStatus.SWITCHED), report('p2', NodeStatus.SWITCHED)),
          switched('tokyo', report('t1', NodeStatus.SWITCHED)),
        ]),
      };
      expect(nextStep(run, 6_000)?.type).toBe('complete');
    });

    it('stops waiting for a silent segment when the time to switch is over', () => {
      const run = {
        ...committed,
        switched: new Map([switched('paris', report('p1', NodeStatus.SWITCHED))]),
      };
      expect(nextStep(run, 14_999)).toBeUndefined();
      expect(nextStep(run, 15_000)?.type).toBe('complete-partially');
    });
  });

  it('fails without a commit when the quorum is not prepared, and says how many are', () => {
    const policy = create(CommitPolicySchema, { quorum: { case: 'all', value: true } });
    const strict = create(RunStartedSchema, { ...started, commit: policy });
    const run = { ...empty, started: strict, changes, built };
    const reported = { ...run, prepared: new Map([parisReady, tokyoReady]) };
    expect(nextStep(reported, 2_000)).toMatchObject({
      type: 'fail',
      run: { reason: expect.stringContaining('2 of 3 servers are prepared') },
    });
  });

  it('commits without a version number when the site keeps its live version', () => {
    const repair = create(RunStartedSchema, { ...started, keepsLiveVersion: true });
    const run = { ...empty, started: repair, changes, built };
    const reported = { ...run, prepared: new Map([parisReady, tokyoReady]) };
    expect(nextStep(reported, 2_000)).toMatchObject({ commit: { sequence: 0n } });
  });

  it('waits for the servers of a segment that another assignment is for', () => {
    const [segment, { nodes }] = parisReady;
    const half = prepared(segment, ...nodes.slice(0, 1));
    const run = { ...empty, changes, built, prepared: new Map([half, tokyoReady]) };
    expect(nextStep(run, 2_000)).toBeUndefined();
  });

  it('asks again when a run is to go live at a time, and never while it waits for somebody', () => {
    const reported = { ...empty, changes, built, prepared: new Map([parisReady, tokyoReady]) };
    const at = create(CommitPolicySchema, { goLive: GoLive.AT, atMs: 60_000n });
    const timed = { ...reported, started: create(RunStartedSchema, { ...started, commit: at }) };
    expect(nextStep(timed, 2_000)).toBeUndefined();
    expect(deadlineMs(timed, 2_000)).toBe(58_000);
    expect(nextStep(timed, 58_000)).toMatchObject({ commit: { switchAtMs: 60_000n } });
    const manual = create(CommitPolicySchema, { goLive: GoLive.MANUAL });
    const waiting = {
      ...reported,
      started: create(RunStartedSchema, { ...started, commit: manual }),
    };
    expect(deadlineMs(waiting, 2_000)).toBeUndefined();
    expect(nextStep({ ...waiting, approved: true }, 2_000)).toMatchObject({ type: 'issue-commit' });
  });
});
