import { isDigest } from './content-store.js';
import { comparePaths, emptyManifest, type Manifest, type TreeEntry } from './manifest.js';
import { readEntries, writeEntries } from './manifest-wire.js';
import { atOnce, type Steps } from './turns.js';

/** Thrown for bytes that describe no tree: wrong order, impossible paths, missing parts. */
export class MalformedManifest extends Error {
  override readonly name = 'MalformedManifest';
}

/** @throws MalformedManifest */
export function encodeManifest(manifest: Manifest): Uint8Array {
  return atOnce(encodeManifestInSteps(manifest));
}

/** @throws MalformedManifest */
export function* encodeManifestInSteps(manifest: Manifest): Steps<Uint8Array> {
  yield* requireTree(manifest);
  return yield* writeEntries(manifest);
}

/**
 * @param like entries that are the same there are taken from it, not made anew
 * @throws MalformedManifest
 */
export function decodeManifest(bytes: Uint8Array, like = emptyManifest): Manifest {
  return atOnce(decodeManifestInSteps(bytes, like));
}

/** As `decodeManifest`. @throws MalformedManifest */
export function* decodeManifestInSteps(bytes: Uint8Array, like = emptyManifest): Steps<Manifest> {
  let manifest: Manifest;
  try {
    manifest = yield* readEntries(bytes, like);
  } catch (cause) {
    throw new MalformedManifest('these bytes are no manifest', { cause });
  }
  yield* requireTree(manifest);
  return manifest;
}

/** An empty component, `.`, `..` or a zero byte. */
const illegalPath = /(?:^|\/)\.{0,2}(?:\/|$)|\0/;

/** Refuses what is no tree: see `Manifest`. */
function* requireTree(manifest: Manifest): Steps<void> {
  const directories = new Set(['']);
  let previous: TreeEntry | undefined;
  for (const entry of manifest) {
    const { path } = entry;
    if (previous && comparePaths(previous.path, path) >= 0) {
      throw new MalformedManifest(`${path} must not follow ${previous.path}`);
    }
    if (illegalPath.test(path)) throw new MalformedManifest(`${path} is no relative path`);
    if (!directories.has(path.slice(0, Math.max(0, path.lastIndexOf('/'))))) {
      throw new MalformedManifest(`${path} is in no directory of the manifest`);
    }
    requireEntry(entry);
    if (entry.type === 'directory') directories.add(path);
    previous = entry;
    yield;
  }
}

function requireEntry(entry: TreeEntry): void {
  if (entry.type === 'symlink') {
    if (entry.target === '') throw new MalformedManifest(`the link ${entry.path} has no target`);
    return;
  }
  if (entry.mode < 0 || entry.mode > 0o777 || !Number.isInteger(entry.mode)) {
    throw new MalformedManifest(`${entry.path} has the mode ${entry.mode}`);
  }
  if (entry.type === 'directory') return;
  if (!Number.isSafeInteger(entry.sizeBytes) || entry.sizeBytes < 0) {
    throw new MalformedManifest(`${entry.path} has the size ${entry.sizeBytes}`);
  }
  if (!Number.isSafeInteger(entry.mtimeMs)) {
    throw new MalformedManifest(`${entry.path} has the modification time ${entry.mtimeMs}`);
  }
  if (!isDigest(entry.digest)) {
    throw new MalformedManifest(`${entry.path} has the digest ${entry.digest}`);
  }
}
