/** What reporting does by itself. */
export interface ReportingConfig {
  /** Runs that ended so long ago are moved out of the stream; 0: only when somebody asks. */
  readonly archiveAfterDays: number;
}

/** Thrown for a number of days that is none. */
export class InvalidArchiveAge extends Error {
  override readonly name = 'InvalidArchiveAge';
}

/** @throws InvalidArchiveAge */
export function reportingConfig(env: NodeJS.ProcessEnv): ReportingConfig {
  const text = env.ESPALIER_ARCHIVE_AFTER_DAYS || '0';
  if (/^\d{1,5}$/.test(text)) return { archiveAfterDays: Number(text) };
  throw new InvalidArchiveAge(`ESPALIER_ARCHIVE_AFTER_DAYS is ${text}, not a number of days`);
}
