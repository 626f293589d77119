import type { ScheduledKey, SegmentKey } from './key-provider.js';

/** How long frames of a former key are still heard after its successor came into use. */
export const retireAfterMs = 10 * 60_000;

/** A key that becomes known when it is in use already waits until others can know it too. */
export const settleMs = 15_000;

/** What a frame's key epoch means to this agent now. */
export type EpochStanding = 'accepted' | 'retired' | 'unknown';

/**
 * The keys of one segment over time. A key is accepted as soon as it is known and used from its
 * time on; its predecessor is accepted a while longer. So no member is cut off by a rotation.
 */
export class SegmentKeyRing implements SegmentKey {
  private keys: readonly ScheduledKey[] = [];

  constructor(
    keys: readonly ScheduledKey[],
    private readonly nowMs: () => number,
  ) {
    this.replace(keys);
  }

  /** A ring of one key that is always in use. */
  static of(key: SegmentKey): SegmentKeyRing {
    return new SegmentKeyRing([{ ...key, useFromMs: 0 }], () => 0);
  }

  /** Takes the schedule as the control plane has it now. Without keys it changes nothing. */
  replace(keys: readonly ScheduledKey[]): void {
    if (keys.length === 0) return;
    const isFirst = this.keys.length === 0;
    const earliestMs = isFirst ? 0 : this.nowMs() + settleMs;
    const taken = keys.map((key) => {
      const known = this.keys.find(({ epoch }) => epoch === key.epoch);
      return known ?? { ...key, useFromMs: Math.max(key.useFromMs, earliestMs) };
    });
    this.keys = taken.sort((a, b) => a.epoch - b.epoch);
  }

  /** The key that senders use now. */
  sending(): ScheduledKey {
    const nowMs = this.nowMs();
    const inUse = this.keys.findLast(({ useFromMs }) => useFromMs <= nowMs);
    const key = inUse ?? this.keys[0];
    if (!key) throw new Error('a segment has no key');
    return key;
  }

  /** As one key, it is the one that senders use now. */
  get epoch(): number {
    return this.sending().epoch;
  }

  get key(): Uint8Array {
    return this.sending().key;
  }

  newestEpoch(): number {
    return this.keys.at(-1)?.epoch ?? 0;
  }

  standing(epoch: number): EpochStanding {
    const at = this.keys.findIndex((key) => key.epoch === epoch);
    if (at < 0) return epoch < (this.keys[0]?.epoch ?? 0) ? 'retired' : 'unknown';
    const successor = this.keys[at + 1];
    const isRetired = successor && successor.useFromMs + retireAfterMs <= this.nowMs();
    return isRetired ? 'retired' : 'accepted';
  }

  /** `undefined` for a key that is not accepted now. */
  find(epoch: number): SegmentKey | undefined {
    if (this.standing(epoch) !== 'accepted') return undefined;
    return this.keys.find((key) => key.epoch === epoch);
  }
}
