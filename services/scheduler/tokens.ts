/** Views of the log that providers share. */
export const FLEET = Symbol('FLEET');
export const JOBS = Symbol('JOBS');
