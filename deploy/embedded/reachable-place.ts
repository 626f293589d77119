import { createHash } from 'node:crypto';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canReach, type OsUser } from './os-user.js';

const openDirectory = '/var/lib/espalier';

/**
 * Makes the directory, or, when `user` could not reach it there (root's home is closed to others),
 * one that stands for it below /var/lib/espalier, and says so.
 */
export async function reachablePlace(
  user: OsUser | undefined,
  preferred: string,
  log: (message: string) => void,
): Promise<string> {
  await mkdir(preferred, { recursive: true, mode: 0o711 });
  if (await canReach(user, preferred)) return preferred;
  const place = await openPlace(user, preferred);
  log(`user ${user?.name} cannot enter ${preferred}: PostgreSQL's files are in ${place}`);
  return place;
}

/** A directory for `purpose` that `user` can reach and only we can write to. */
export async function openPlace(user: OsUser | undefined, purpose: string): Promise<string> {
  const name = createHash('sha256').update(purpose).digest('hex').slice(0, 16);
  const place = join(openDirectory, name);
  const made = await mkdir(place, { recursive: true, mode: 0o711 }).catch(() => undefined);
  if (made !== undefined || (await canReach(user, place))) return place;
  return mkdtemp(join(tmpdir(), 'espalier-'));
}
