/** Groups what a source has ready; waits for nothing but the first of a batch. */
export async function* batchesOf<T>(
  source: AsyncIterable<T>,
  maxSize: number,
): AsyncGenerator<T[]> {
  const ready: T[] = [];
  let isDone = false;
  let isAbandoned = false;
  let failure: { readonly error: unknown } | undefined;
  let wakeReader: () => void = () => undefined;
  let wakePump: () => void = () => undefined;

  const pump = async () => {
    try {
      for await (const item of source) {
        if (isAbandoned) return;
        ready.push(item);
        wakeReader();
        if (ready.length < 2 * maxSize) continue;
        await new Promise<void>((resolve) => {
          wakePump = resolve;
        });
        if (isAbandoned) return;
      }
    } catch (error) {
      failure = { error };
    }
    isDone = true;
    wakeReader();
  };
  void pump();

  try {
    for (;;) {
      const batch = ready.splice(0, maxSize);
      wakePump();
      if (batch.length > 0) {
        yield batch;
      } else if (failure) {
        throw failure.error;
      } else if (isDone) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          wakeReader = resolve;
        });
      }
    }
  } finally {
    isAbandoned = true;
    wakePump();
  }
}
