import { seededRandom } from '#libs/testkit/seeded-random.js';
import { type SegmentConditions, SimulatedSegment } from '#libs/testkit/simulated-segment.js';

const stepMs = 20;

/** Thrown when a life breaks an invariant; the message has the seed and the last transitions. */
export class InvariantBroken extends Error {
  override readonly name = 'InvariantBroken';
}

/** One random life of a segment. Watches it step by step and throws when an invariant breaks. */
export class Life {
  readonly segment: SimulatedSegment;
  private readonly random: () => number;
  private readonly names: string[];
  private readonly priorities: Map<string, bigint>;
  private components: string[][];
  private changedAtMs: number;
  private twoSinceMs?: number;

  constructor(
    readonly seed: number,
    conditions: SegmentConditions,
    private readonly limits: { twoLeadersMs: number; settledMs: number },
  ) {
    this.random = seededRandom(seed);
    this.segment = new SimulatedSegment(seed + 1_000_000, conditions);
    this.names = Array.from({ length: 2 + this.below(8) }, (_, n) => `node-${n + 1}`);
    this.priorities = new Map(this.names.map((name) => [name, BigInt(1 + this.below(4))]));
    for (const name of this.names) {
      this.start(name);
      this.segment.clock.advance(this.below(300));
    }
    this.components = [this.names];
    this.changedAtMs = this.nowMs;
  }

  get nowMs(): number {
    return this.segment.clock.nowMs();
  }

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  any(): string {
    return this.names[this.below(this.names.length)] ?? '';
  }

  start(name: string): void {
    this.segment.start(name, this.priorities.get(name) ?? 1n);
  }

  restart(name: string): void {
    this.segment.crash(name);
    this.start(name);
    this.changedAtMs = this.nowMs;
  }

  split(): void {
    const left = this.names.filter(() => this.random() < 0.5);
    const right = this.names.filter((name) => !left.includes(name));
    this.segment.network.partition([left, right]);
    this.components = [left, right].filter((part) => part.length > 0);
    this.changedAtMs = this.nowMs;
  }

  join(): void {
    this.segment.network.heal();
    this.components = [this.names];
    this.changedAtMs = this.nowMs;
  }

  stall(name: string, durationMs: number): void {
    this.segment.network.pause(name);
    this.pass(durationMs);
    this.segment.network.resume(name);
    this.changedAtMs = this.nowMs;
  }

  deafen(from: string, to: string): void {
    this.segment.network.block(from, to);
    this.changedAtMs = this.nowMs;
  }

  pass(durationMs: number): void {
    for (let passedMs = 0; passedMs < durationMs; passedMs += stepMs) {
      this.segment.clock.advance(stepMs);
      this.watch();
    }
  }

  /** At rest for long enough, each component follows one leader; two are never seen for long. */
  private watch(): void {
    const restMs = this.nowMs - this.changedAtMs;
    const two = this.components.find((part) => this.segment.leaders(part).length > 1);
    this.twoSinceMs = two && restMs > 0 ? (this.twoSinceMs ?? this.nowMs) : undefined;
    const twoForMs = this.nowMs - Math.max(this.twoSinceMs ?? this.nowMs, this.changedAtMs);
    if (twoForMs > this.limits.twoLeadersMs) this.fail(`two leaders for ${twoForMs} ms in ${two}`);
    if (restMs < this.limits.settledMs) return;
    const unsettled = this.components.find((part) => !this.segment.isSettled(part));
    if (unsettled) this.fail(`${unsettled} not settled ${restMs} ms after the last fault`);
  }

  private fail(what: string): never {
    throw new InvariantBroken(
      `seed ${this.seed}: ${what}\n${this.segment.trace.slice(-30).join('\n')}`,
    );
  }
}

/**
 * Without loss: at rest, a component has one leader, and two for no longer than one period.
 * @throws InvariantBroken
 */
export function liveWithoutLoss(seed: number): void {
  const conditions = { maxDelayMs: 20, duplicateRate: 0.1 };
  const life = new Life(seed, conditions, { twoLeadersMs: 1_100, settledMs: 8_000 });
  for (let fault = 0; fault < 4; fault++) {
    life.pass(8_500);
    const kind = life.below(3);
    if (kind === 0) life.restart(life.any());
    else if (kind === 1) life.split();
    else life.join();
  }
  life.join();
  life.pass(9_000);
}

/**
 * At 10 % loss, with deaf and stalled nodes: one leader soon after the last fault.
 * @throws InvariantBroken
 */
export function liveWithLoss(seed: number): void {
  const conditions = { lossRate: 0.1, maxDelayMs: 40, duplicateRate: 0.05 };
  const life = new Life(seed, conditions, { twoLeadersMs: 60_000, settledMs: 60_000 });
  for (let fault = 0; fault < 8; fault++) {
    life.pass(500 + life.below(5_000));
    const kind = life.below(5);
    if (kind === 0) life.restart(life.any());
    else if (kind === 1) life.split();
    else if (kind === 2) life.join();
    else if (kind === 3) life.stall(life.any(), 500 + life.below(8_000));
    else life.deafen(life.any(), life.any());
  }
  life.join();
  life.segment.passUntil(() => life.segment.isSettled(), 15_000);
}
