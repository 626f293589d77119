import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { identityOf, pidOf } from './process-identity.js';

export interface Lock {
  release(): Promise<void>;
}

export interface Holder {
  readonly heldByPid: number;
}

/**
 * Takes the lock file for this process, or says which living process holds it. A lock left behind
 * by a dead process is taken over.
 */
export async function tryLock(path: string): Promise<Lock | Holder> {
  await mkdir(dirname(path), { recursive: true });
  const own = `${await identityOf(process.pid)}`;
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, own, { mode: 0o600 });
  try {
    for (;;) {
      if (await linked(draft, path)) return held(path);
      const holder = await contentOf(path);
      if (await isAlive(holder)) return { heldByPid: pidOf(holder) };
      if (holder !== '' && (await replaced(path, holder, draft))) return held(path);
    }
  } finally {
    await rm(draft, { force: true });
  }
}

function held(path: string): Lock {
  return { release: () => rm(path, { force: true }) };
}

/** Of those who find the lock of a dead process, one at a time may look again and replace it. */
async function replaced(path: string, deadHolder: string, draft: string): Promise<boolean> {
  const turn = await tryLock(`${path}.takeover`);
  if ('heldByPid' in turn) return false;
  try {
    if ((await contentOf(path)) !== deadHolder) return false;
    await rename(draft, path);
    return true;
  } finally {
    await turn.release();
  }
}

async function isAlive(identity: string): Promise<boolean> {
  return identity !== '' && (await identityOf(pidOf(identity))) === identity;
}

/** Empty when there is no such file. */
async function contentOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
