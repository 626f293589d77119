import type { AggregateType, RecordedEvent } from '#libs/contracts/index.js';
import type { EventLog, LogSubscription } from './event-log.js';

export interface LogViewDefinition<State> {
  readonly aggregateTypes: readonly AggregateType[];
  readonly initial: State;
  /** The state after one more event; events that it does not know leave it as it is. */
  evolve(state: State, event: RecordedEvent): State;
}

/**
 * State in memory that follows the log: replays it, then applies what is appended. For what a
 * service must know of other services' aggregates; nothing of it is stored.
 */
export class LogView<State> {
  private failure: Error | undefined;
  private ended: Error | undefined;
  private current: State;
  private reached = 0;
  private waiting: Waiter[] = [];

  private constructor(
    private readonly definition: LogViewDefinition<State>,
    private readonly subscription: LogSubscription,
  ) {
    this.current = definition.initial;
  }

  /** Resolves when the view holds all that is in the log now. */
  static async start<State>(
    log: EventLog,
    definition: LogViewDefinition<State>,
  ): Promise<LogView<State>> {
    const { aggregateTypes } = definition;
    const newest = await log.lastSequence();
    let state = definition.initial;
    let reached = 0;
    for await (const event of log.replay({ afterSequence: 0, aggregateTypes })) {
      state = definition.evolve(state, event);
      reached = event.sequence;
    }
    const subscription = log.subscribe({ afterSequence: reached, aggregateTypes });
    const view = new LogView(definition, subscription);
    view.current = state;
    view.reached = Math.max(newest, reached);
    void view.follow();
    return view;
  }

  /** @throws what `evolve` or the log threw, when the view could not go on */
  get state(): State {
    if (this.failure) throw this.failure;
    return this.current;
  }

  /** Sequence of the newest event that is in the state, or of a newer one of other aggregates. */
  get sequence(): number {
    return this.reached;
  }

  /** Resolves when the event of that sequence, of one of the view's aggregates, is in the state. */
  reaches(sequence: number): Promise<void> {
    if (this.failure) return Promise.reject(this.failure);
    if (this.reached >= sequence) return Promise.resolve();
    if (this.ended) return Promise.reject(this.ended);
    return new Promise((resolve, reject) => {
      this.waiting.push({ sequence, resolve, reject });
    });
  }

  async close(): Promise<void> {
    await this.subscription.close();
  }

  private async follow(): Promise<void> {
    try {
      for await (const event of this.subscription) {
        this.current = this.definition.evolve(this.current, event);
        this.reached = Math.max(this.reached, event.sequence);
        this.wake();
      }
      this.end(new Error('the view of the log is closed'));
    } catch (error) {
      this.failure = error instanceof Error ? error : new Error(String(error));
      this.end(this.failure);
    }
  }

  private wake(): void {
    const due = this.waiting.filter(({ sequence }) => sequence <= this.reached);
    if (due.length === 0) return;
    this.waiting = this.waiting.filter(({ sequence }) => sequence > this.reached);
    for (const { resolve } of due) resolve();
  }

  private end(reason: Error): void {
    this.ended = reason;
    for (const { reject } of this.waiting.splice(0)) reject(reason);
  }
}

interface Waiter {
  readonly sequence: number;
  resolve(): void;
  reject(error: Error): void;
}
