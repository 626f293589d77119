import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { event, JobType, RequestRunSchema, RolloutSchema } from '#libs/contracts/index.js';
import { NoRollout } from './errors.js';
import { type RolloutEvent, type RunningRollout, rolloutAggregate } from './rollout.js';
import { nextStep, repairRequest, type StepFacts, waveRequest } from './rollout-step.js';
import type { Server } from './targets.js';
import { wavesOf } from './waves.js';

const runId = '01920000-0000-7000-8000-000000000001';
const parent = create(RequestRunSchema, { runId, site: 'www', type: JobType.PUBLISH });
const tree = { treeDigest: Uint8Array.of(1), manifestDigest: Uint8Array.of(2) };
const waves = [
  { name: 'canary', nodes: ['a', 'b'] },
  { name: 'the rest', nodes: ['c', 'd'] },
];
const quiet: StepFacts = {
  switched: new Set(),
  failed: new Set(),
  serving: new Set(['a', 'b', 'c', 'd']),
  drifted: new Set(),
  unhealthy: new Map(),
  unheard: new Set(),
  silent: new Set(),
  tree,
  hasLive: true,
  startedAtMs: 0,
};
const done = (...nodes: string[]) => ({ ended: 'completed' as const, switched: new Set(nodes) });

/** A rollout that takes every step that is due, with what is known after each. */
class Played {
  state: RunningRollout;
  readonly happened: string[] = [];

  constructor(policy: MessageInitShape<typeof RolloutSchema> = {}) {
    const started = { runId, site: 'www', waves, policy: create(RolloutSchema, policy) };
    this.state = this.after(event('RolloutStarted', started)) as RunningRollout;
  }

  step(facts: Partial<StepFacts> = {}, nowMs = 1_000): RolloutEvent | undefined {
    const next = nextStep(this.state, { ...quiet, ...facts }, nowMs);
    if (!next) return undefined;
    this.happened.push(next.type);
    this.state = this.after(next) as RunningRollout;
    return next;
  }

  tell(type: 'pause' | 'promote'): void {
    for (const told of rolloutAggregate.decide({ type, runId }, this.state)) {
      this.state = this.after(told) as RunningRollout;
    }
  }

  private after(next: RolloutEvent) {
    return rolloutAggregate.evolve(this.state ?? rolloutAggregate.initial, next);
  }
}

describe('a rollout', () => {
  test('goes from wave to wave, then makes the tree the live version', () => {
    const rollout = new Played();
    rollout.step();
    expect(waveRequest(rollout.state, parent)).toMatchObject({
      nodes: ['a', 'b'],
      terms: { rolloutRunId: runId, wave: 1 },
    });
    expect(rollout.step()).toBeUndefined();
    rollout.step(done('a', 'b'));
    rollout.step(done('a', 'b'));
    rollout.step();
    expect(waveRequest(rollout.state, parent)).toMatchObject({
      nodes: ['c', 'd'],
      terms: { wanted: tree },
    });
    rollout.step(done('c', 'd'));
    rollout.step(done('c', 'd'));
    rollout.step();
    expect(waveRequest(rollout.state, parent).nodes).toEqual([]);
    expect(rollout.step(done('a', 'b', 'c', 'd'))).toMatchObject({
      type: 'RolloutEnded',
      data: { status: 'completed' },
    });
    const wave = ['WaveStarted', 'WaveSoaking', 'WavePassed'];
    expect(rollout.happened).toEqual([...wave, ...wave, 'WaveStarted', 'RolloutEnded']);
  });

  test('ends at once when nothing has changed', () => {
    const rollout = new Played();
    rollout.step();
    const same = { ended: 'completed', nothingChanged: true } as const;
    expect(rollout.step(same)).toMatchObject({ data: { status: 'completed' } });
  });

  test('watches a wave for a while before the next', () => {
    const rollout = new Played({ soakMs: 5_000n });
    rollout.step();
    rollout.step(done('a', 'b'), 1_000);
    expect(rollout.step(done('a', 'b'), 5_999)).toBeUndefined();
    expect(rollout.step(done('a', 'b'), 6_000)?.type).toBe('WavePassed');
  });

  test('counts a server that tells nothing as failed, and brings the wave back', () => {
    const rollout = new Played({ soakMs: 5_000n });
    rollout.step();
    rollout.step(done('a', 'b'));
    const gone = { ...done('a', 'b'), serving: new Set(['a']) };
    expect(rollout.step(gone, 2_000)).toMatchObject({ type: 'WaveFailed' });
    expect(rollout.step(gone)).toMatchObject({
      type: 'RolloutRolledBack',
      data: { nodes: ['a', 'b'] },
    });
    expect(repairRequest(rollout.state)).toMatchObject({ type: JobType.SYNCHRONIZE });
    expect(rollout.step({ ended: 'completed' })).toMatchObject({
      type: 'RolloutEnded',
      data: { status: 'failed', reason: expect.stringContaining('wave 1: b did not go on') },
    });
  });

  test('takes a wave back when one of its servers serves changed files, or falls silent', () => {
    for (const [trouble, reason] of [
      [{ drifted: new Set(['b']) }, 'b serves files that are not as they were signed'],
      [{ unhealthy: new Map([['b', '503']]) }, 'b is not healthy: 503'],
      [{ silent: new Set(['b']) }, 'nothing was heard of b'],
    ] as const) {
      const rollout = new Played({ soakMs: 5_000n });
      rollout.step();
      rollout.step(done('a', 'b'), 1_000);
      expect(rollout.step({ ...done('a', 'b'), ...trouble }, 2_000)).toMatchObject({
        type: 'WaveFailed',
        data: { reason },
      });
    }
  });

  test('bears so many such servers as its thresholds say', () => {
    const lenient = new Played({ soakMs: 5_000n, errorPercent: 50, successPercent: 50 });
    lenient.step();
    lenient.step(done('a', 'b'), 1_000);
    const one = { ...done('a', 'b'), drifted: new Set(['a']) };
    expect(lenient.step(one, 2_000)).toBeUndefined();
    expect(lenient.step({ ...one, silent: new Set(['b']) }, 3_000)).toMatchObject({
      type: 'WaveFailed',
      data: { reason: expect.stringMatching(/^a serves .*; nothing was heard of b$/) },
    });
  });

  test('passes no wave before it is known what became of a server that is not heard of', () => {
    const rollout = new Played({ soakMs: 5_000n });
    rollout.step();
    rollout.step(done('a', 'b'), 1_000);
    const unheard = { ...done('a', 'b'), unheard: new Set(['b']) };
    expect(rollout.step(unheard, 7_000)).toBeUndefined();
    expect(rollout.step(done('a', 'b'), 8_000)?.type).toBe('WavePassed');
  });

  test('gives a wave up as soon as too many servers have failed', () => {
    const rollout = new Played({ errorPercent: 49 });
    rollout.step();
    expect(rollout.step({ failed: new Set(['a']) })?.type).toBe('WaveFailed');
    expect(rollout.step()).toBeUndefined();
    expect(rollout.step({ ended: 'aborted' })?.type).toBe('RolloutRolledBack');
    const patient = new Played({ errorPercent: 50 });
    patient.step();
    expect(patient.step({ failed: new Set(['a']) })).toBeUndefined();
  });

  test('passes a wave of which enough servers have switched', () => {
    const strict = new Played();
    strict.step();
    const half = { ended: 'partial', switched: new Set(['a']) } as const;
    expect(strict.step(half)?.type).toBe('WaveFailed');
    const lenient = new Played({ successPercent: 50 });
    lenient.step();
    lenient.step(half);
    expect(lenient.step(half)?.type).toBe('WavePassed');
  });

  test('leaves a bad wave where it is wanted, or where nothing was live before', () => {
    const kept = new Played({ keepBadWave: true });
    kept.step();
    kept.step({ ended: 'failed', endReason: 'disk full' });
    expect(kept.step({ ended: 'failed' })).toMatchObject({ data: { status: 'failed' } });
    const first = new Played();
    first.step();
    first.step({ ended: 'failed' });
    const nothing = first.step({ ended: 'failed', hasLive: false });
    expect(nothing).toMatchObject({
      data: { reason: expect.stringContaining('nothing was live') },
    });
  });

  test('is taken back when its deadline passes', () => {
    const rollout = new Played({ soakMs: 60_000n });
    rollout.step({ deadlineMs: 5_000 });
    rollout.step({ ...done('a', 'b'), deadlineMs: 5_000 });
    expect(rollout.step({ ...done('a', 'b'), deadlineMs: 5_000 }, 4_999)).toBeUndefined();
    expect(rollout.step({ ...done('a', 'b'), deadlineMs: 5_000 }, 5_000)).toMatchObject({
      type: 'WaveFailed',
      data: { reason: expect.stringContaining('deadline') },
    });
    expect(rollout.step({ ...done('a', 'b'), deadlineMs: 5_000 }, 5_001)?.type).toBe(
      'RolloutRolledBack',
    );
  });

  test('waits for somebody to promote a wave, and while it is paused', () => {
    const rollout = new Played({ manualPromotion: true });
    rollout.step();
    rollout.step(done('a', 'b'));
    rollout.step(done('a', 'b'));
    expect(rollout.step()).toBeUndefined();
    rollout.tell('promote');
    rollout.tell('pause');
    expect(rollout.step()).toBeUndefined();
    rollout.tell('promote');
    expect(rollout.step()?.type).toBe('WaveStarted');
    const ended = { situation: 'ended', status: 'completed', reason: '' } as const;
    expect(() => rolloutAggregate.decide({ type: 'pause', runId }, ended)).toThrow(NoRollout);
  });
});

describe('waves', () => {
  const servers: Server[] = ['a1', 'a2', 'b1', 'b2', 'b3'].map((name) => ({
    ...{ name, segment: name[0] ?? '', registered: true, served: '', kept: [] },
    labels: new Map([['rack', name[1] ?? '']]),
  }));
  const split = (...members: NonNullable<MessageInitShape<typeof RolloutSchema>['waves']>) =>
    wavesOf(create(RolloutSchema, { waves: members }), servers).map(({ nodes }) => nodes);

  test('are shares, counts, segments or labels; nobody is in two; the rest comes last', () => {
    expect(split({ members: { case: 'percent', value: 20 } })).toEqual([
      ['a1'],
      ['a2', 'b1', 'b2', 'b3'],
    ]);
    expect(
      split(
        { members: { case: 'selector', value: 'rack=1' } },
        { members: { case: 'segment', value: 'b' } },
        { members: { case: 'count', value: 7 } },
      ),
    ).toEqual([['a1', 'b1'], ['b2', 'b3'], ['a2']]);
  });

  test('of nobody are left out', () => {
    expect(split({ members: { case: 'segment', value: 'z' } })).toEqual([
      ['a1', 'a2', 'b1', 'b2', 'b3'],
    ]);
  });
});
