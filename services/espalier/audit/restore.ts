import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { startEmbeddedServers } from '#deploy/embedded/embedded-servers.js';
import { DomainError } from '#libs/contracts/index.js';
import {
  type RestoredLog,
  type RestoreOptions,
  restoreLog,
} from '#services/reporting/adapters/restore-log.js';
import { serviceConfig } from '../up/service-config.js';

export class NoDataDirectory extends DomainError {
  override readonly name = 'NoDataDirectory';
  constructor(dataDir: string) {
    super(`${dataDir} is not the data directory of a control plane`, '--data-dir names it');
  }
}

/**
 * Restores the log of a control plane on this host, or on the servers that NATS_URL and
 * DATABASE_URL name.
 * @throws NoDataDirectory, DataDirectoryInUse, and what `restoreLog` throws
 */
export async function restoreOwnLog(
  dataDir: string,
  options: RestoreOptions,
  log: (line: string) => void,
): Promise<RestoredLog> {
  if (!existsSync(join(dataDir, 'keys', 'audit-key.pem'))) throw new NoDataDirectory(dataDir);
  const servers = await startEmbeddedServers({ dataDir, log });
  try {
    return await restoreLog(serviceConfig(servers, dataDir), options);
  } finally {
    await servers.close();
  }
}
