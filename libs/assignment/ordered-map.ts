/** What may be under way at a time. */
export interface Limits<T> {
  readonly atOnce: number;
  /** What all items under way may weigh together; an item that weighs more is alone. */
  readonly mostWeight?: number;
  weightOf?(item: T): number;
}

/** Maps in order, with as many calls under way as the limits let. */
export async function* orderedMap<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  { atOnce, mostWeight = Number.POSITIVE_INFINITY, weightOf = () => 0 }: Limits<T>,
  map: (item: T) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const running: Promise<R>[] = [];
  let weight = 0;
  let madeRoom: (() => void) | undefined;
  const begin = async (item: T, itemWeight: number) => {
    try {
      return await map(item);
    } finally {
      weight -= itemWeight;
      madeRoom?.();
    }
  };
  try {
    for await (const item of items) {
      const itemWeight = weightOf(item);
      while (weight > 0 && weight + itemWeight > mostWeight) {
        // Whichever ends first makes room; results wait for their turn.
        await new Promise<void>((resolve) => {
          madeRoom = resolve;
        });
      }
      weight += itemWeight;
      const result = begin(item, itemWeight);
      // Its failure is for whoever awaits it below, perhaps later.
      result.catch(() => undefined);
      running.push(result);
      if (running.length >= atOnce) yield (await running.shift()) as R;
    }
    while (running.length > 0) yield (await running.shift()) as R;
  } finally {
    await Promise.allSettled(running);
  }
}
