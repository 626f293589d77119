const running = new Map<string, Promise<unknown>>();

/** Runs actions with the same key one after the other, in the order of the calls. */
export async function exclusively<T>(key: string, action: () => Promise<T>): Promise<T> {
  const before = running.get(key) ?? Promise.resolve();
  const result = before.then(action, action);
  const settled = result.catch(() => undefined);
  running.set(key, settled);
  try {
    return await result;
  } finally {
    if (running.get(key) === settled) running.delete(key);
  }
}
