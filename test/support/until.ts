const pollMs = 25;
const patienceMs = 60_000;

/** Thrown when what a test waits for does not come. */
export class NeverHappened extends Error {
  override readonly name = 'NeverHappened';
}

/** Asks again and again until there is an answer; a throw counts as none. @throws NeverHappened */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  { timeoutMs = patienceMs, intervalMs = pollMs } = {},
): Promise<T> {
  const deadlineMs = Date.now() + timeoutMs;
  let reason = '';
  for (;;) {
    try {
      const answer = await ask();
      if (answer) return answer;
      reason = '';
    } catch (error) {
      reason = `: ${(error as Error).message}`;
    }
    if (Date.now() > deadlineMs)
      throw new NeverHappened(`not in ${timeoutMs} ms: ${what}${reason}`);
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}
