import { DomainError } from '#libs/contracts/domain-error.js';

/** Another live process uses the same data directory. */
export class DataDirectoryInUse extends DomainError {
  override readonly name = 'DataDirectoryInUse';

  constructor(
    directory: string,
    readonly pid: number,
  ) {
    super(
      `The data directory ${directory} is in use by process ${pid}`,
      `Stop process ${pid}, or choose another data directory.`,
    );
  }
}

/** No usable nats-server was found, and none could be fetched; `attempts` says what was tried. */
export class NatsServerMissing extends DomainError {
  override readonly name = 'NatsServerMissing';

  constructor(minimum: string, attempts: readonly string[]) {
    super(
      `No nats-server ${minimum} or newer is available: ${attempts.join('; ')}`,
      'Install nats-server (Debian 13, Ubuntu 26.04: apt-get install nats-server; macOS: brew ' +
        `install nats-server), or set ESPALIER_NATS_SERVER_BIN to a nats-server ${minimum} or ` +
        'newer, or set NATS_URL to a running server.',
    );
  }
}

/** No PostgreSQL server programs were found; `attempts` says where they were looked for. */
export class PostgresMissing extends DomainError {
  override readonly name = 'PostgresMissing';

  constructor(attempts: readonly string[]) {
    super(
      `No PostgreSQL server is available: ${attempts.join('; ')}`,
      'Install PostgreSQL (Debian, Ubuntu: apt-get install postgresql; macOS: brew install ' +
        'postgresql), or set DATABASE_URL to a running server.',
    );
  }
}

/** A server ended, or did not become ready in time, while it was being started. */
export class ServerDidNotStart extends DomainError {
  override readonly name = 'ServerDidNotStart';

  constructor(server: string, reason: string, logFile: string) {
    super(`${server} did not start: ${reason}`, `See ${logFile}.`);
  }
}
