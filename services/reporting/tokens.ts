/** Injection tokens of reporting. */
export const DATABASE = Symbol('DATABASE');
export const AUDIT_KEY = Symbol('AUDIT_KEY');
