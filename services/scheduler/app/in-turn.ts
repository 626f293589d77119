/** Work on one thing at a time: what would only collide with itself in the log waits here. */
export class InTurn {
  private readonly last = new Map<string, Promise<unknown>>();

  isBusy(key: string): boolean {
    return this.last.has(key);
  }

  /** Does work after all that was asked for before it under the same key. */
  do<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.last.get(key) ?? Promise.resolve();
    const done = before.then(work, work);
    const quiet = done.then(
      () => undefined,
      () => undefined,
    );
    this.last.set(key, quiet);
    void quiet.then(() => {
      if (this.last.get(key) === quiet) this.last.delete(key);
    });
    return done;
  }
}
