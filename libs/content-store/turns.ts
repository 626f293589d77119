/** Work in small steps; between two of them others may have their turn. */
export type Steps<Result> = Generator<void, Result, void>;

/** Does all of it in one turn. */
export function atOnce<Result>(work: Steps<Result>): Result {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}

/** Does it in as many turns as `pause` asks for: what it gives is waited for. */
export async function inTurns<Result>(
  work: Steps<Result>,
  pause: () => Promise<void> | undefined,
): Promise<Result> {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
    const turn = pause();
    if (turn) await turn;
  }
}
