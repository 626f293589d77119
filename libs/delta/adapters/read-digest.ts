import { FileChangedWhileRead, UnreadableFile } from '../scan-errors.js';
import { hashLarge, hashNow, smallBytes } from './hash-file.js';
import { type FoundFile, findFile, isMissing } from './walk.js';

const maxAttempts = 3;

export interface DigestedFile {
  /** As it was when it was read, perhaps after the walk found it. */
  readonly file: FoundFile;
  readonly digest: string;
}

/**
 * The digest of a small file that is as it was found, at once; nothing for others, which may need
 * `readDigest`.
 * @throws UnreadableFile
 */
export function readNow(root: string, file: FoundFile): string | undefined {
  if (file.identity.sizeBytes > smallBytes) return undefined;
  const path = `${root}/${file.path}`;
  try {
    return hashNow(path, file.identity)?.toString('hex');
  } catch (error) {
    if (isGone(error)) return undefined;
    throw new UnreadableFile(path, error);
  }
}

/**
 * Reads a file and makes sure that it did not change meanwhile; tries three times.
 * @returns nothing when there is no such file any more
 * @throws FileChangedWhileRead, UnreadableFile
 */
export async function readDigest(
  root: string,
  found: FoundFile,
): Promise<DigestedFile | undefined> {
  let file: FoundFile | undefined = found;
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    const digest = await readOnce(root, file);
    if (digest) return { file, digest };
    file = findFile(root, found.path);
    if (!file) return undefined;
  }
  throw new FileChangedWhileRead(`${root}/${found.path}`);
}

/** The digest, or nothing when the file was not, or did not stay, as it was found. */
async function readOnce(root: string, file: FoundFile): Promise<string | undefined> {
  if (file.identity.sizeBytes <= smallBytes) return readNow(root, file);
  const path = `${root}/${file.path}`;
  try {
    return (await hashLarge(path, file.identity))?.toString('hex');
  } catch (error) {
    if (isGone(error)) return undefined;
    throw new UnreadableFile(path, error);
  }
}

/** There is nothing, or a link. */
function isGone(error: unknown): boolean {
  return isMissing(error) || (error as NodeJS.ErrnoException).code === 'ELOOP';
}
