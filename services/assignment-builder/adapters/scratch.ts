import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Longer than any build takes; another replica may be building in a younger directory. */
const abandonedAfterMs = 24 * 60 * 60 * 1000;

/** Makes directories for builds below `parent`; first removes what a crash left there long ago. */
export function scratchDirectories(parent: string, nowMs: () => number): () => Promise<string> {
  let ready: Promise<void> | undefined;
  return async () => {
    ready ??= prepare(parent, nowMs());
    await ready;
    return mkdtemp(join(parent, 'build-'));
  };
}

async function prepare(parent: string, nowMs: number): Promise<void> {
  await mkdir(parent, { recursive: true, mode: 0o700 });
  for (const name of await readdir(parent)) {
    const path = join(parent, name);
    const age = nowMs - (await stat(path)).mtimeMs;
    if (age > abandonedAfterMs) await rm(path, { recursive: true, force: true });
  }
}
