export type OutcomeName = 'completed' | 'partial' | 'failed' | 'aborted' | 'cancelled';

/** The events that end a run. */
export const jobOutcomes: Readonly<Record<string, OutcomeName>> = {
  RunCompleted: 'completed',
  RunPartiallyCompleted: 'partial',
  RunFailed: 'failed',
  RunAborted: 'aborted',
  RunCancelled: 'cancelled',
};
