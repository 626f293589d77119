import { describe, expect, test } from '@jest/globals';
import {
  initialReachability,
  type ReachEffect,
  type ReachInput,
  segmentMode,
  stepReachability,
} from './reachability.js';

/** An agent's probing in virtual time; `hears` says what becomes of a probe at a peer. */
class Probing {
  state = initialReachability();
  nowMs = 0;
  readonly probes: ReachEffect[] = [];

  constructor(private readonly hears: (node: string, byMulticast: boolean) => boolean) {}

  learn(...nodes: string[]): this {
    for (const [n, node] of nodes.entries()) {
      this.step({ type: 'peer', node, address: { address: '10.0.0.1', port: 1_000 + n } });
    }
    return this;
  }

  pass(durationMs: number): this {
    const untilMs = this.nowMs + durationMs;
    while (this.state.wakeAtMs <= untilMs) {
      this.nowMs = Math.max(this.nowMs, this.state.wakeAtMs);
      this.step({ type: 'tick' });
    }
    this.nowMs = untilMs;
    return this;
  }

  modeOf(node: string): string | undefined {
    return this.state.peers.get(node)?.mode;
  }

  private step(input: ReachInput): void {
    const [next, effects] = stepReachability(this.state, input, this.nowMs);
    this.state = next;
    for (const effect of effects) this.ask(effect);
  }

  private ask(probe: ReachEffect): void {
    this.probes.push(probe);
    const { number, targets } = probe;
    for (const node of targets) {
      for (const byMulticast of [true, false]) {
        if (this.hears(node, byMulticast)) this.step({ type: 'reply', node, number, byMulticast });
      }
    }
  }
}

const all = () => true;
const unicastOnly = (_node: string, byMulticast: boolean) => !byMulticast;

describe('the probing of peers', () => {
  test('knows nothing before it has asked', () => {
    const probing = new Probing(all).learn('a');
    expect(segmentMode(probing.state)).toBe('probing');
    expect(probing.modeOf('a')).toBe('unprobed');
  });

  test('finds multicast where it is answered, unicast where only that is, else silence', () => {
    const hears = (node: string, byMulticast: boolean) =>
      node === 'a' || (node === 'b' && !byMulticast);
    const probing = new Probing(hears).learn('a', 'b', 'c').pass(2_000);
    expect(['a', 'b', 'c'].map((node) => probing.modeOf(node))).toEqual([
      'multicast',
      'unicast',
      'silent',
    ]);
    expect(segmentMode(probing.state)).toBe('mixed');
  });

  test('calls a segment unicast when nobody hears multicast', () => {
    const probing = new Probing(unicastOnly).learn('a', 'b').pass(2_000);
    expect(segmentMode(probing.state)).toBe('unicast');
  });

  test('does not judge by one lost probe', () => {
    let asked = 0;
    const probing = new Probing((_node, byMulticast) => !byMulticast || ++asked > 2);
    expect(probing.learn('a').pass(2_000).modeOf('a')).toBe('multicast');
  });

  test('asks a peer that was silent anew when it is heard', () => {
    let isUp = false;
    const probing = new Probing(() => isUp).learn('a').pass(2_000);
    expect(probing.modeOf('a')).toBe('silent');
    isUp = true;
    expect(probing.learn('a').pass(500).modeOf('a')).toBe('multicast');
  });

  test('notices within two minutes that multicast has ceased', () => {
    let isOver = false;
    const probing = new Probing((_node, byMulticast) => !byMulticast || !isOver);
    expect(probing.learn('a').pass(2_000).modeOf('a')).toBe('multicast');
    isOver = true;
    expect(probing.pass(120_000).modeOf('a')).toBe('unicast');
  });

  test('asks 16 at a time, and every peer of a large segment in the end', () => {
    const nodes = Array.from({ length: 100 }, (_, n) => `n${n}`);
    const probing = new Probing(all).learn(...nodes).pass(20_000);
    expect(Math.max(...probing.probes.map(({ targets }) => targets.length))).toBe(16);
    expect(nodes.every((node) => probing.modeOf(node) === 'multicast')).toBe(true);
  });

  test('is quiet at rest: one round a minute', () => {
    const probing = new Probing(all).learn('a', 'b').pass(5_000);
    const before = probing.probes.length;
    expect(probing.pass(600_000).probes.length - before).toBe(10);
  });
});
