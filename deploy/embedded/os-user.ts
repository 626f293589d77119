import { run } from './run.js';

export interface OsUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * The user to run PostgreSQL as, which refuses to run as root: undefined means the current user
 * will do; for root it is `postgres`, or `nobody` where there is none.
 */
export async function unprivilegedUser(): Promise<OsUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
    if (uid.ok && gid.ok) return { name, uid: Number(uid.stdout), gid: Number(gid.stdout) };
  }
  return { name: '65534', uid: 65534, gid: 65534 };
}

/** Whether that user could enter a directory or run a program, found out by trying. */
export async function canReach(user: OsUser | undefined, path: string): Promise<boolean> {
  return (await run('sh', ['-c', 'test -x "$0"', path], { user, cwd: '/' })).ok;
}
