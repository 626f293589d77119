import { backupsOf, isBelow } from './backups.js';
import { transferMs } from './breadth.js';
import { EventQueue, type Happening } from './event-queue.js';
import { origin } from './hand-out.js';
import type { Load, TreePlan } from './tree-plan.js';

/** What becomes of a plan. */
export interface Prediction {
  /** Leader -> when it has everything; those that died are not in it. */
  readonly doneMs: ReadonlyMap<string, number>;
  /** Source -> bytes that it sent. */
  readonly sentBytes: ReadonlyMap<string, number>;
  /** Leader -> bytes that came over its link, needed or not. */
  readonly receivedBytes: ReadonlyMap<string, number>;
}

/** Leaders that die, and how long those who pull from them take to notice. */
export interface Deaths {
  readonly atMs: ReadonlyMap<string, number>;
  readonly noticeMs: number;
}

export const nobodyDies: Deaths = { atMs: new Map(), noticeMs: 0 };

const sent = 0;
const arrived = 1;
const noticed = 2;
/** The origin's number; leaders have those after it. */
const first = 0;

/**
 * Plays a plan through, batch by batch, in a network in which every node has one uplink and one
 * downlink, each used in turn. Leaders forward a batch when they have it (`breadth`: when they have
 * everything); those whose source has died go on with their backup.
 */
export function predict(plan: TreePlan, load: Load, deaths = nobodyDies): Prediction {
  const play = new Play(plan, load, deaths);
  play.run();
  return play;
}

class Play implements Prediction {
  readonly doneMs = new Map<string, number>();
  readonly sentBytes = new Map<string, number>();
  readonly receivedBytes = new Map<string, number>();
  private readonly queue = new EventQueue();
  private readonly names: readonly string[];
  private readonly numbers: ReadonlyMap<string, number>;
  /** By number, as are all that follow. */
  private readonly up: Float64Array;
  private readonly down: Float64Array;
  private readonly latencyMs: Float64Array;
  private readonly deadMs: Float64Array;
  private readonly upFreeMs: Float64Array;
  private readonly downFreeMs: Float64Array;
  private readonly sentSum: Float64Array;
  private readonly receivedSum: Float64Array;
  private readonly missing: Int32Array;
  private readonly had: Uint8Array[];
  /** Stripe -> source -> those who pull from it. */
  private readonly children: number[][][];
  /** The trees as they are after deaths. */
  private readonly sources: readonly Map<string, string>[];
  private readonly batches: number;

  constructor(
    private readonly plan: TreePlan,
    private readonly load: Load,
    private readonly deaths: Deaths,
  ) {
    const { leaders } = load;
    this.batches = Math.ceil(load.sizeBytes / load.batchBytes);
    this.names = [origin, ...leaders.map(({ name }) => name)];
    this.numbers = new Map(this.names.map((name, at) => [name, at]));
    this.up = Float64Array.of(load.originUpBytesPerS, ...leaders.map((l) => l.upBytesPerS));
    this.down = Float64Array.of(1, ...leaders.map((l) => l.downBytesPerS));
    this.latencyMs = Float64Array.of(0, ...leaders.map((l) => l.latencyMs));
    const never = Number.POSITIVE_INFINITY;
    this.deadMs = Float64Array.from(this.names, (name) => deaths.atMs.get(name) ?? never);
    const zeros = () => new Float64Array(this.names.length);
    [this.upFreeMs, this.downFreeMs, this.sentSum, this.receivedSum] = [
      zeros(),
      zeros(),
      zeros(),
      zeros(),
    ];
    this.missing = new Int32Array(this.names.length).fill(this.batches);
    this.had = this.names.map(() => new Uint8Array(this.batches));
    this.sources = plan.trees.map((tree) => new Map(tree));
    this.children = plan.trees.map((tree) => {
      const own: number[][] = this.names.map(() => []);
      for (const [leader, source] of tree) own[this.numberOf(source)]?.push(this.numberOf(leader));
      return own;
    });
  }

  run(): void {
    for (const [dead, atMs] of this.deaths.atMs) {
      this.queue.add(atMs + this.deaths.noticeMs, noticed, this.numberOf(dead), 0, 0);
    }
    this.had[first]?.fill(1);
    for (let batch = 0; batch < this.batches; batch++) this.forward(0, first, batch);
    const next: Happening = { atMs: 0, kind: 0, from: 0, to: 0, batch: 0 };
    while (this.queue.take(next)) {
      const { atMs, kind, from, to, batch } = next;
      if (kind === sent) this.receive(atMs, from, to, batch);
      else if (kind === arrived) this.arrived(atMs, from, to, batch);
      else this.noticed(atMs, from);
    }
    this.names.forEach((name, at) => {
      if (this.sentSum[at]) this.sentBytes.set(name, this.sentSum[at]);
      if (this.receivedSum[at]) this.receivedBytes.set(name, this.receivedSum[at]);
    });
  }

  private forward(nowMs: number, source: number, batch: number): void {
    const children = this.children[batch % this.children.length]?.[source] ?? [];
    for (const leader of children) this.send(nowMs, source, leader, batch);
  }

  private send(nowMs: number, source: number, leader: number, batch: number): void {
    const startMs = Math.max(nowMs, this.upFreeMs[source] as number);
    const takesMs = transferMs(this.bytesOf(batch), this.up[source] as number);
    this.upFreeMs[source] = startMs + takesMs;
    this.queue.add(startMs, sent, source, leader, batch);
  }

  /** The transfer began; it ends when the slower of both links is done. */
  private receive(nowMs: number, source: number, leader: number, batch: number): void {
    if (this.isDead(source, nowMs) || this.isDead(leader, nowMs)) return;
    const bytes = this.bytesOf(batch);
    this.sentSum[source] = (this.sentSum[source] as number) + bytes;
    const pathMs = (this.latencyMs[source] as number) + (this.latencyMs[leader] as number);
    const firstByteMs = nowMs + pathMs;
    const upMs = transferMs(bytes, this.up[source] as number);
    const downMs = transferMs(bytes, this.down[leader] as number);
    const freeMs = Math.max(firstByteMs, this.downFreeMs[leader] as number) + downMs;
    this.downFreeMs[leader] = freeMs;
    this.queue.add(Math.max(firstByteMs + upMs, freeMs), arrived, source, leader, batch);
  }

  private arrived(nowMs: number, source: number, leader: number, batch: number): void {
    if (this.isDead(leader, nowMs) || this.isDead(source, nowMs)) return;
    const had = this.had[leader] as Uint8Array;
    this.receivedSum[leader] = (this.receivedSum[leader] as number) + this.bytesOf(batch);
    if (had[batch] === 1) return;
    had[batch] = 1;
    this.missing[leader] = (this.missing[leader] as number) - 1;
    const isWhole = this.missing[leader] === 0;
    if (isWhole) this.doneMs.set(this.nameOf(leader), nowMs);
    if (this.plan.shape === 'stripes') this.forward(nowMs, leader, batch);
    else if (isWhole) had.forEach((_, held) => void this.forward(nowMs, leader, held));
  }

  /** Who pulled from one that died goes on with another source. */
  private noticed(nowMs: number, dead: number): void {
    this.children.forEach((children, stripe) => {
      const tree = this.sources[stripe] as Map<string, string>;
      for (const leader of children[dead] ?? []) {
        if (this.isDead(leader, nowMs)) continue;
        const name = this.nameOf(leader);
        const [source = origin] = backupsOf(this.plan, name, stripe).filter(
          (backup) => !this.isDead(this.numberOf(backup), nowMs) && !isBelow(tree, backup, name),
        );
        tree.set(name, source);
        children[this.numberOf(source)]?.push(leader);
        this.resume(nowMs, this.numberOf(source), leader, stripe);
      }
      children[dead] = [];
    });
  }

  private resume(nowMs: number, source: number, leader: number, stripe: number): void {
    const [there, had] = [this.had[source], this.had[leader]];
    for (let batch = stripe; batch < this.batches; batch += this.plan.trees.length) {
      if (there?.[batch] === 1 && had?.[batch] !== 1) this.send(nowMs, source, leader, batch);
    }
  }

  private bytesOf(batch: number): number {
    const { sizeBytes, batchBytes } = this.load;
    return Math.min(batchBytes, sizeBytes - batch * batchBytes);
  }

  private isDead(number: number, nowMs: number): boolean {
    return (this.deadMs[number] as number) <= nowMs;
  }

  private numberOf(name: string): number {
    return this.numbers.get(name) ?? first;
  }

  private nameOf(number: number): string {
    return this.names[number] ?? origin;
  }
}
