/**
 * What an agent ends with whose server was removed: nothing is gained by starting it again
 * (EX_NOPERM of sysexits.h).
 */
export const removedExitStatus = 77;
