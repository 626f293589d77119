/**
 * Lets many callers share one expensive step. `add` resolves when the `commit` that the item was
 * part of has succeeded and rejects when it failed. One commit runs at a time; what arrives
 * meanwhile forms the next group.
 */
export class GroupCommit<Item> {
  private waiting: Member<Item>[] = [];
  private isRunning = false;

  /**
   * @param commit never called with an empty group
   * @param isWorthWaiting whether more items are about to come, so that a group of this size should
   *   wait for them; `poke` must be called when that stops being so
   */
  constructor(
    private readonly commit: (items: readonly Item[]) => Promise<void>,
    private readonly isWorthWaiting: (size: number) => boolean = () => false,
  ) {}

  add(item: Item): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      this.poke();
    });
  }

  /** Starts a commit if there is something to commit and no reason to wait. */
  poke(): void {
    if (this.isRunning || this.waiting.length === 0) return;
    if (this.isWorthWaiting(this.waiting.length)) return;
    const group = this.waiting;
    this.waiting = [];
    this.isRunning = true;
    this.commit(group.map((member) => member.item))
      .then(
        () => group.forEach((member) => void member.resolve()),
        (error) => group.forEach((member) => void member.reject(error)),
      )
      .finally(() => {
        this.isRunning = false;
        this.poke();
      });
  }
}

interface Member<Item> {
  readonly item: Item;
  resolve(): void;
  reject(error: unknown): void;
}
