import { backupsOf, isBelow } from './backups.js';
import { transferMs } from './breadth.js';
import { origin } from './hand-out.js';
import { TimeQueue } from './time-queue.js';
import type { Load, PlanLeader, TreePlan } from './tree-plan.js';

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

interface Transfer {
  readonly source: string;
  readonly leader: string;
  readonly batch: number;
}

type Happening =
  | ({ readonly kind: 'sent' } & Transfer)
  | ({ readonly kind: 'arrived' } & Transfer)
  | { readonly kind: 'noticed'; readonly dead: string };

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
  private readonly queue = new TimeQueue<Happening>();
  private readonly upFreeMs = new Map<string, number>();
  private readonly downFreeMs = new Map<string, number>();
  private readonly leaders: ReadonlyMap<string, PlanLeader>;
  private readonly children: readonly Map<string, string[]>[];
  /** The trees as they are after deaths. */
  private readonly sources: readonly Map<string, string>[];
  private readonly had = new Map<string, Set<number>>();
  private readonly batches: number;

  constructor(
    private readonly plan: TreePlan,
    private readonly load: Load,
    private readonly deaths: Deaths,
  ) {
    this.leaders = new Map(load.leaders.map((leader) => [leader.name, leader]));
    this.batches = Math.ceil(load.sizeBytes / load.batchBytes);
    this.children = plan.trees.map(childrenIn);
    this.sources = plan.trees.map((tree) => new Map(tree));
    for (const { name } of load.leaders) this.had.set(name, new Set());
  }

  run(): void {
    for (const [dead, atMs] of this.deaths.atMs) {
      this.queue.add(atMs + this.deaths.noticeMs, { kind: 'noticed', dead });
    }
    for (let batch = 0; batch < this.batches; batch++) this.forward(0, origin, batch);
    for (let next = this.queue.take(); next; next = this.queue.take()) {
      const { atMs, item } = next;
      if (item.kind === 'sent') this.receive(atMs, item);
      else if (item.kind === 'arrived') this.arrived(atMs, item);
      else this.noticed(atMs, item.dead);
    }
  }

  private forward(nowMs: number, source: string, batch: number): void {
    for (const leader of this.childrenOf(source, batch)) this.send(nowMs, source, leader, batch);
  }

  private send(nowMs: number, source: string, leader: string, batch: number): void {
    const upBytesPerS = this.leaders.get(source)?.upBytesPerS ?? this.load.originUpBytesPerS;
    const bytes = this.bytesOf(batch);
    const startMs = Math.max(nowMs, this.upFreeMs.get(source) ?? 0);
    this.upFreeMs.set(source, startMs + transferMs(bytes, upBytesPerS));
    this.queue.add(startMs, { kind: 'sent', source, leader, batch });
  }

  /** The transfer began; it ends when the slower of both links is done. */
  private receive(nowMs: number, transfer: Transfer): void {
    const { source, leader: name, batch } = transfer;
    const leader = this.leaders.get(name);
    if (!leader || this.isDead(source, nowMs) || this.isDead(name, nowMs)) return;
    const sender = this.leaders.get(source);
    const bytes = this.bytesOf(batch);
    this.sentBytes.set(source, (this.sentBytes.get(source) ?? 0) + bytes);
    const firstByteMs = nowMs + (sender?.latencyMs ?? 0) + leader.latencyMs;
    const upMs = transferMs(bytes, sender?.upBytesPerS ?? this.load.originUpBytesPerS);
    const downMs = transferMs(bytes, leader.downBytesPerS);
    const freeMs = this.downFreeMs.get(name) ?? 0;
    const atMs = Math.max(firstByteMs + upMs, Math.max(firstByteMs, freeMs) + downMs);
    this.downFreeMs.set(name, Math.max(firstByteMs, freeMs) + downMs);
    this.queue.add(atMs, { ...transfer, kind: 'arrived' });
  }

  private arrived(nowMs: number, { source, leader, batch }: Transfer): void {
    const had = this.had.get(leader);
    if (!had || this.isDead(leader, nowMs) || this.isDead(source, nowMs)) return;
    const bytes = this.receivedBytes.get(leader) ?? 0;
    this.receivedBytes.set(leader, bytes + this.bytesOf(batch));
    if (had.has(batch)) return;
    had.add(batch);
    const isWhole = had.size === this.batches;
    if (isWhole) this.doneMs.set(leader, nowMs);
    if (this.plan.shape === 'stripes') this.forward(nowMs, leader, batch);
    else if (isWhole) for (const held of had) this.forward(nowMs, leader, held);
  }

  /** Who pulled from one that died goes on with another source. */
  private noticed(nowMs: number, dead: string): void {
    this.children.forEach((children, stripe) => {
      const tree = this.sources[stripe] as Map<string, string>;
      for (const leader of children.get(dead) ?? []) {
        if (this.isDead(leader, nowMs)) continue;
        const [source = origin] = backupsOf(this.plan, leader, stripe).filter(
          (backup) => !this.isDead(backup, nowMs) && !isBelow(tree, backup, leader),
        );
        tree.set(leader, source);
        children.set(source, [...(children.get(source) ?? []), leader]);
        this.resume(nowMs, source, leader, stripe);
      }
      children.delete(dead);
    });
  }

  private resume(nowMs: number, source: string, leader: string, stripe: number): void {
    const had = this.had.get(leader);
    for (let batch = stripe; batch < this.batches; batch += this.plan.trees.length) {
      const available = source === origin || this.had.get(source)?.has(batch);
      if (available && !had?.has(batch)) this.send(nowMs, source, leader, batch);
    }
  }

  private childrenOf(source: string, batch: number): readonly string[] {
    return this.children[batch % this.children.length]?.get(source) ?? [];
  }

  private bytesOf(batch: number): number {
    const { sizeBytes, batchBytes } = this.load;
    return Math.min(batchBytes, sizeBytes - batch * batchBytes);
  }

  private isDead(name: string, nowMs: number): boolean {
    return (this.deaths.atMs.get(name) ?? Number.POSITIVE_INFINITY) <= nowMs;
  }
}

function childrenIn(tree: ReadonlyMap<string, string>): Map<string, string[]> {
  const children = new Map<string, string[]>();
  for (const [leader, source] of tree) {
    const own = children.get(source);
    if (own) own.push(leader);
    else children.set(source, [leader]);
  }
  return children;
}
