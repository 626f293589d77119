/** Why a command is illegal; stable codes for reports and tests. */
export type IllegalReason =
  | 'empty-path'
  | 'absolute-path'
  | 'empty-component'
  | 'dot-component'
  | 'parent-component'
  | 'zero-byte'
  | 'malformed-text'
  | 'control-character'
  | 'reserved-name'
  | 'component-too-long'
  | 'path-too-long'
  | 'missing-parent'
  | 'through-file'
  | 'through-symlink'
  | 'exists'
  | 'duplicate'
  | 'not-found'
  | 'not-a-file'
  | 'not-a-directory'
  | 'not-empty'
  | 'case-collision'
  | 'bad-mode'
  | 'bad-time'
  | 'bad-size'
  | 'bad-digest'
  | 'bad-slice'
  | 'bad-patch'
  | 'bad-target'
  | 'outside-target'
  | 'base-not-found'
  | 'base-not-a-file'
  | 'beyond-declared-size'
  | 'too-many-entries'
  | 'too-many-commands'
  | 'missing-commands'
  | 'unsupported-command'
  | 'unknown-hook'
  | 'bad-configuration'
  | 'unknown-command';

/** Thrown for the first illegal command of an assignment; nothing has been written then. */
export class IllegalCommand extends Error {
  override readonly name = 'IllegalCommand';
  constructor(
    /** Position in the command buffer, from 0. */
    readonly index: number,
    readonly path: string,
    readonly reason: IllegalReason,
    options?: ErrorOptions,
  ) {
    super(
      `command ${index} (${JSON.stringify(path.slice(0, 200))}) is illegal: ${reason}`,
      options,
    );
  }
}

/** Thrown when the commands, played on the base, do not make the tree that was signed. */
export class WrongResult extends Error {
  override readonly name = 'WrongResult';
  constructor(expected: string, actual: string) {
    super(`the commands make the tree ${actual}, not the signed ${expected}`);
  }
}

/** Thrown when a file's bytes are not those that were signed. */
export class WrongContent extends Error {
  override readonly name = 'WrongContent';
  constructor(
    readonly path: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`${JSON.stringify(path)}: ${problem}`, options);
  }
}

/** Thrown when a file of the base on disk is not what the base's manifest says. */
export class DamagedBase extends Error {
  override readonly name = 'DamagedBase';
  constructor(
    readonly path: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`the base's file ${JSON.stringify(path)} is damaged: ${problem}`, options);
  }
}

/** Thrown for an assignment that this interpreter cannot execute, whatever its commands. */
export class UnsupportedAssignment extends Error {
  override readonly name = 'UnsupportedAssignment';
}

/** Thrown when the host that an agent acts for cannot be reached, or a script fails there. */
export class OtherHostFailed extends Error {
  override readonly name = 'OtherHostFailed';
  constructor(program: string, problem: string) {
    super(`${program}: ${problem}; see that the agent may log in there and has room`);
  }
}

/** Thrown when a directory of the agent is not a plain directory of its own. */
export class UnsafeDirectory extends Error {
  override readonly name = 'UnsafeDirectory';
  constructor(path: string, problem: string) {
    super(`${path} ${problem}`);
  }
}

/** Thrown when a version that is needed is not on this server. */
export class UnknownVersion extends Error {
  override readonly name = 'UnknownVersion';
  constructor(site: string, which: string) {
    super(`the site ${site} has no ${which} on this server`);
  }
}

/** Thrown when a hook that must run before a switch fails; nothing has changed then. */
export class HookFailed extends Error {
  override readonly name = 'HookFailed';
  constructor(hook: string, problem: string) {
    super(`the hook ${JSON.stringify(hook)} failed: ${problem}`);
  }
}

/** Thrown when a version went live, did not work, and the one before it is live again. */
export class SwitchedBack extends Error {
  override readonly name = 'SwitchedBack';
  constructor(
    readonly sequence: number,
    /** What is live again; undefined: there was nothing before, so the version stays. */
    readonly live: number | undefined,
    problem: string,
  ) {
    const now = live === undefined ? 'there is nothing to go back to' : `${live} is live again`;
    super(`version ${sequence} did not work: ${problem}; ${now}`);
  }
}

/** Thrown when the disk has, or would have, no room left. */
export class DiskFull extends Error {
  override readonly name = 'DiskFull';
}

export class QuotaExceeded extends Error {
  override readonly name = 'QuotaExceeded';
}

export class ReadOnlyDisk extends Error {
  override readonly name = 'ReadOnlyDisk';
}

/** Thrown for every other refusal of the operating system; `code` is its errno name. */
export class DiskFailure extends Error {
  override readonly name = 'DiskFailure';
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Names what the operating system refused; every other error is returned as it is. */
export function namedDiskError(error: unknown): unknown {
  if (!isSystemError(error)) return error;
  const options = { cause: error };
  switch (error.code) {
    case 'ENOSPC':
      return new DiskFull(`the disk is full: ${error.message}`, options);
    case 'EDQUOT':
      return new QuotaExceeded(`the disk quota is used up: ${error.message}`, options);
    case 'EROFS':
      return new ReadOnlyDisk(`the disk is read-only: ${error.message}`, options);
    default:
      return new DiskFailure(error.code, error.message, options);
  }
}

function isSystemError(error: unknown): error is { code: string; message: string } {
  return typeof error === 'object' && error !== null && 'syscall' in error && 'code' in error;
}
