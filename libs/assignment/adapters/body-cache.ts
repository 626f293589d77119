import { createHash, randomUUID } from 'node:crypto';
import {
  link,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import type { ContentStore } from '#libs/content-store/content-store.js';
import { emptyManifest, type Manifest } from '#libs/content-store/manifest.js';
import type { Compression } from '#libs/contracts/index.js';
import { diffManifests } from '#libs/delta/diff.js';
import { type Body, measureBody, restoredBody } from '../body.js';
import type { BodyCache, BodyRequest } from '../body-cache.js';
import { runHook } from '../commands.js';
import { compileAssignment } from '../compile.js';

/** Changes when other bytes are made of the same trees. */
const format = 7;

interface Description {
  readonly commandCount: number;
  readonly commandsCompression: Compression;
  readonly dataBytes: number;
  readonly clearBytes: number;
  readonly leaves: string;
}

/**
 * Keeps bodies in `directory`, the `keep` used last; must be on one file system with the
 * directories of callers.
 */
export function bodyCacheIn(directory: string, store: ContentStore, keep: number): BodyCache {
  return {
    async body(request, target) {
      const place = join(directory, keyOf(request));
      const known = await take(place, target);
      if (known) return known;
      const body = await compileBody(request, store, join(target, 'data'));
      await put(place, body);
      await forgetOldest(directory, keep);
      return body;
    },
  };
}

async function compileBody(
  { baseManifest, resultManifest, policy, hooks = [] }: BodyRequest,
  store: ContentStore,
  dataPath: string,
): Promise<Body> {
  const base: Manifest =
    baseManifest === '' ? emptyManifest : await store.readManifest(baseManifest);
  const difference = diffManifests(base, await store.readManifest(resultManifest, base));
  const { commands, clearBytes } = await compileAssignment(difference, store, policy, dataPath);
  // Whole, whatever its size: it is shared out, or sealed, for each job.
  const { level } = policy;
  return measureBody([...commands, ...hooks.map(runHook)], dataPath, {
    maxBodyBytes: Number.MAX_SAFE_INTEGER,
    clearBytes,
    level,
  });
}

function keyOf({ baseManifest, resultManifest, policy, hooks = [] }: BodyRequest): string {
  const {
    neverCompress,
    capabilities,
    largestInMemoryBytes,
    level = 'default',
    patchesFiles,
    sealing,
    configuration = [],
  } = policy;
  const { zstd, zstdPrefix } = capabilities;
  const settings = [neverCompress, zstd, zstdPrefix, largestInMemoryBytes, level];
  const whole = patchesFiles === false ? ['whole files'] : [];
  const clear = sealing ? [{ sealing }] : [];
  const last = hooks.length > 0 ? [{ hooks }] : [];
  const values = configuration.map(({ path, key, value }) => [path, key, value]);
  const configured = values.length > 0 ? [{ values }] : [];
  const trees = [baseManifest, resultManifest];
  const optional = [...whole, ...clear, ...configured, ...last];
  const parts = JSON.stringify([format, ...trees, ...settings, ...optional]);
  return createHash('sha256').update(parts).digest('hex');
}

async function take(place: string, target: string): Promise<Body | undefined> {
  const dataPath = join(target, 'data');
  try {
    const text = await readFile(join(place, 'body.json'), 'utf8');
    const { leaves, ...description } = JSON.parse(text) as Description;
    const commands = await readFile(join(place, 'commands'));
    await link(join(place, 'data'), dataPath);
    const now = (await stat(dataPath)).atime;
    await utimes(place, now, now);
    const kept = { ...description, leaves: Buffer.from(leaves, 'base64'), dataPath };
    return restoredBody({ ...kept, commands: [commands] });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await rm(dataPath, { force: true });
    return undefined;
  }
}

/** All of it, or nothing: the directory appears complete. */
async function put(place: string, body: Body): Promise<void> {
  const { commandCount, commandsCompression, dataBytes, clearBytes, leaves, dataPath } = body;
  const unfinished = `${place}.${randomUUID()}`;
  const description: Description = {
    ...{ commandCount, commandsCompression, dataBytes, clearBytes },
    leaves: Buffer.from(leaves).toString('base64'),
  };
  try {
    await mkdir(unfinished, { recursive: true, mode: 0o700 });
    if (dataPath !== undefined) await link(dataPath, join(unfinished, 'data'));
    await writeFile(join(unfinished, 'commands'), body.commands);
    await writeFile(join(unfinished, 'body.json'), JSON.stringify(description));
    await rename(unfinished, place);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    const { code } = error as NodeJS.ErrnoException;
    // Somebody else compiled the same at the same time.
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  }
}

async function forgetOldest(directory: string, keep: number): Promise<void> {
  const places: { path: string; usedMs: number }[] = [];
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const status = await stat(path).catch(() => undefined);
    if (status) places.push({ path, usedMs: status.mtimeMs });
  }
  places.sort((a, b) => b.usedMs - a.usedMs);
  for (const { path } of places.slice(keep)) await rm(path, { recursive: true, force: true });
}
