/** Maps in order with `limit` calls under way at a time. */
export async function* orderedMap<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  map: (item: T) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const running: Promise<R>[] = [];
  try {
    for await (const item of items) {
      const result = map(item);
      // Its failure is for whoever awaits it below, perhaps later.
      result.catch(() => undefined);
      running.push(result);
      if (running.length >= limit) yield (await running.shift()) as R;
    }
    while (running.length > 0) yield (await running.shift()) as R;
  } finally {
    await Promise.allSettled(running);
  }
}
