import { setFlagsFromString } from 'node:v8';

/**
 * What V8 interprets of a function, in bytes of bytecode, before it compiles it once more and
 * optimizes it; 67,584 by default.
 */
const interruptBudgetBytes = 600_000;

/**
 * For processes that are idle for hours and then work for seconds: with V8's own budget its
 * compiler takes a fifth of the processor time of such a second, and most of what it makes is not
 * used again. What runs for long is optimized all the same. Counts from the call on.
 */
export function optimizeLate(): void {
  setFlagsFromString(`--interrupt-budget=${interruptBudgetBytes}`);
}
