import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataDirectoryInUse } from './errors.js';
import { type Lock, tryLock } from './lock-file.js';

/**
 * Reserves a directory, made when missing, for this process.
 * @throws DataDirectoryInUse
 */
export async function lockDirectory(directory: string): Promise<Lock> {
  // Others may pass through, as PostgreSQL must when it runs as another user, but not look around.
  await mkdir(directory, { recursive: true, mode: 0o711 });
  const lock = await tryLock(join(directory, 'lock'));
  if ('heldByPid' in lock) throw new DataDirectoryInUse(directory, lock.heldByPid);
  return lock;
}

/** A random password in `<dataDir>/keys`, readable by its owner only, the same for every run. */
export async function keptPassword(dataDir: string, name: string): Promise<string> {
  const directory = join(dataDir, 'keys');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, name);
  try {
    await writeFile(path, `${randomBytes(24).toString('hex')}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return (await readFile(path, 'utf8')).trim();
}
