/** What the exit status of a command means. */
export const exitCodes = {
  done: 0,
  error: 1,
  usage: 2,
  runFailed: 5,
  runPartial: 6,
  conflict: 7,
  waitTimedOut: 8,
  interrupted: 130,
} as const;

/** The exit status for a run that ended. */
export function exitCodeOfRun(status: string): number {
  switch (status) {
    case 'completed':
      return exitCodes.done;
    case 'partial':
      return exitCodes.runPartial;
    default:
      return exitCodes.runFailed;
  }
}

/** Thrown when a run has not ended in the time that the user wanted to wait. */
export class WaitTimedOut extends Error {
  override readonly name = 'WaitTimedOut';
}
