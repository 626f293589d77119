import { type Clock, sleep } from '#libs/clock/clock.js';
import type { LinkAnswer, LinkRequest } from '#libs/contracts/index.js';

export interface LongPollOptions {
  /** Whether the gateway has just answered; undefined: it was not asked yet. */
  readonly isUp: boolean | undefined;
  readonly clock: Clock;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Brings answers and waits up to `waitMs` for requests. */
  readonly poll: (answers: LinkAnswer[], waitMs: number) => Promise<readonly LinkRequest[]>;
  /** Nothing for a request of a newer gateway: it hears no answer and knows. */
  readonly answerTo: (request: LinkRequest) => LinkAnswer | undefined;
  /** The gateway answers again; told before its requests are answered. */
  readonly up: () => void;
  readonly down: (reason: string) => void;
}

/** Below the patience of common proxies. */
export const pollMs = 20_000;
export const requestTimeoutMs = 10_000;
export const firstRetryMs = 500;
const longestRetryMs = 15_000;

/**
 * Polls the gateway until it is told to stop; doubles the pause from one failure to the next. What
 * was answered is answered again when the poll with it got lost.
 */
export async function longPoll(options: LongPollOptions): Promise<void> {
  const { clock, signal, poll, answerTo, up, down } = options;
  let { isUp } = options;
  let answers: LinkAnswer[] = [];
  let retryMs = firstRetryMs;
  while (!signal.aborted) {
    try {
      // Whether the gateway is back is to be known at once.
      const requests = await poll(answers, isUp ? pollMs : 0);
      if (signal.aborted) return;
      if (!isUp) up();
      isUp = true;
      retryMs = firstRetryMs;
      answers = requests.flatMap((request) => answerTo(request) ?? []);
    } catch (error) {
      if (signal.aborted) return;
      if (isUp !== false) down((error as Error).message);
      isUp = false;
      await sleep(clock, retryMs);
      retryMs = Math.min(2 * retryMs, longestRetryMs);
    }
  }
}
