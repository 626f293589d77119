interface Entry<T> {
  readonly atMs: number;
  readonly order: number;
  readonly item: T;
}

/** What happens next, by time; at the same time, by when it was added. */
export class TimeQueue<T> {
  private readonly heap: Entry<T>[] = [];
  private added = 0;

  add(atMs: number, item: T): void {
    const { heap } = this;
    let at = heap.length;
    const entry = { atMs, order: this.added++, item };
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (isBefore(heap[parent] as Entry<T>, entry)) break;
      heap[at] = heap[parent] as Entry<T>;
      at = parent;
    }
    heap[at] = entry;
  }

  take(): { readonly atMs: number; readonly item: T } | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Entry<T>, heap[child] as Entry<T>))
        child++;
      if (isBefore(last, heap[child] as Entry<T>)) break;
      heap[at] = heap[child] as Entry<T>;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore<T>(a: Entry<T>, b: Entry<T>): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
