import type { Standing } from '#libs/tree/hand-out.js';

/** One segment of the plan; `leader` is the last one told, or the planned one. */
export interface Slot {
  readonly segment: string;
  readonly leader: string;
  readonly nodes: readonly string[];
  readonly standing: Standing;
  readonly source: string;
  /** From whom it takes each stripe, best first; none: whoever hands on to it. */
  readonly stripes: readonly (readonly string[])[];
}

/** Slots by segment, in the order of the plan. A changed table shares what has not changed. */
export class SlotTable {
  private constructor(
    private readonly places: ReadonlyMap<string, number>,
    private readonly slots: readonly Slot[],
  ) {}

  static of(slots: readonly Slot[]): SlotTable {
    return new SlotTable(new Map(slots.map(({ segment }, at) => [segment, at])), slots);
  }

  has(segment: string): boolean {
    return this.places.has(segment);
  }

  get(segment: string): Slot | undefined {
    const at = this.places.get(segment);
    return at === undefined ? undefined : this.slots[at];
  }

  values(): readonly Slot[] {
    return this.slots;
  }

  /** With another slot for its segment, which must be in the table. */
  with(slot: Slot): SlotTable {
    const at = this.places.get(slot.segment);
    if (at === undefined) return this;
    const slots = this.slots.slice();
    slots[at] = slot;
    return new SlotTable(this.places, slots);
  }
}
