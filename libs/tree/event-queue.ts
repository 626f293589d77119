/** One thing that happens in a simulated network: numbers only, since there are millions. */
export interface Happening {
  atMs: number;
  kind: number;
  from: number;
  to: number;
  batch: number;
}

const fields = 4;

/** What happens next, by time; at the same time, by when it was added. */
export class EventQueue {
  private times = new Float64Array(1_024);
  private orders = new Float64Array(1_024);
  private data = new Int32Array(1_024 * fields);
  private size = 0;
  private added = 0;

  add(atMs: number, kind: number, from: number, to: number, batch: number): void {
    if (this.size === this.times.length) this.grow();
    let at = this.size++;
    const order = this.added++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.isBefore(parent, atMs, order)) break;
      this.move(parent, at);
      at = parent;
    }
    this.times[at] = atMs;
    this.orders[at] = order;
    this.data[at * fields] = kind;
    this.data[at * fields + 1] = from;
    this.data[at * fields + 2] = to;
    this.data[at * fields + 3] = batch;
  }

  /** Fills `next` with what happens first. @returns whether there was something */
  take(next: Happening): boolean {
    if (this.size === 0) return false;
    next.atMs = this.times[0] as number;
    next.kind = this.data[0] as number;
    next.from = this.data[1] as number;
    next.to = this.data[2] as number;
    next.batch = this.data[3] as number;
    this.sinkLast();
    return true;
  }

  /** The last entry takes the first one's place, and sinks to where it belongs. */
  private sinkLast(): void {
    const last = --this.size;
    const atMs = this.times[last] as number;
    const order = this.orders[last] as number;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= last) break;
      const right = child + 1;
      if (
        right < last &&
        this.isBefore(right, this.times[child] as number, this.orders[child] as number)
      ) {
        child = right;
      }
      if (!this.isBefore(child, atMs, order)) break;
      this.move(child, at);
      at = child;
    }
    this.move(last, at);
  }

  private isBefore(at: number, atMs: number, order: number): boolean {
    const own = this.times[at] as number;
    return own < atMs || (own === atMs && (this.orders[at] as number) < order);
  }

  private move(from: number, to: number): void {
    this.times[to] = this.times[from] as number;
    this.orders[to] = this.orders[from] as number;
    this.data.copyWithin(to * fields, from * fields, from * fields + fields);
  }

  private grow(): void {
    const bigger = 2 * this.times.length;
    const times = new Float64Array(bigger);
    times.set(this.times);
    const orders = new Float64Array(bigger);
    orders.set(this.orders);
    const data = new Int32Array(bigger * fields);
    data.set(this.data);
    this.times = times;
    this.orders = orders;
    this.data = data;
  }
}
