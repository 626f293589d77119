/**
 * Lets a loop of fast synchronous calls share the event loop: `await pause()` in every turn returns
 * at once until `sliceMs` are used up, then lets everybody else go first.
 */
export function timeSlice(sliceMs: number): () => Promise<void> | undefined {
  let startedMs = performance.now();
  let turn: Promise<void> | undefined;
  return () => {
    if (turn) return turn;
    if (performance.now() - startedMs < sliceMs) return undefined;
    turn = new Promise((resolve) => {
      setImmediate(() => {
        turn = undefined;
        startedMs = performance.now();
        resolve();
      });
    });
    return turn;
  };
}
