import { writeSync } from 'node:fs';

const patienceMs = 10_000;

/** Makes the last line of jest's output a plain one: `N passed, N failed`. */
export default class ClosingLineReporter {
  onRunComplete(_contexts, results) {
    // A file that cannot be run at all counts as one failure.
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const line = `${results.numPassedTests} passed, ${failed} failed\n`;
    process.once('exit', () => writeSync(1, line));
    // A leak would make jest wait for ever.
    setTimeout(() => {
      writeSync(2, 'A test left something open that keeps jest from ending.\n');
      process.exit(1);
    }, patienceMs).unref();
  }
}
