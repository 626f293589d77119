/** Injection tokens of reporting. */
export const DATABASE = Symbol('DATABASE');
export const AUDIT_KEY = Symbol('AUDIT_KEY');
/** An `ArchiveWriter`. */
export const ARCHIVE = Symbol('ARCHIVE');
/** An `EventLog` that has the archived events too. */
export const WHOLE_LOG = Symbol('WHOLE_LOG');
