/** Runs actions in the order of arrival, at most `count` at a time. */
export class Lanes {
  private readonly queue: (() => Promise<void>)[] = [];
  private head = 0;
  private running = 0;

  /** @param onIdle called whenever no action waits any more */
  constructor(
    private readonly count: number,
    private readonly onIdle: () => void = () => {},
  ) {}

  /** Whether actions wait for a lane. */
  get isCongested(): boolean {
    return this.head < this.queue.length;
  }

  run<T>(action: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.queue.push(() => action().then(resolve, reject));
      if (this.running < this.count) void this.drain();
    });
  }

  private async drain(): Promise<void> {
    this.running++;
    while (this.isCongested) await this.next();
    this.running--;
    this.onIdle();
  }

  private next(): Promise<void> {
    const action = this.queue[this.head++];
    if (!this.isCongested) {
      this.queue.length = 0;
      this.head = 0;
    }
    return action ? action() : Promise.resolve();
  }
}
