import type { ContentStore } from '#libs/content-store/content-store.js';
import type { FileEntry } from '#libs/content-store/manifest.js';
import { SimilarFiles, smallestSketchedBytes } from '#libs/delta/sketch.js';
import type { Encoder } from './encode-content.js';
import { isCompressedFormat } from './encoding-policy.js';
import { orderedMap } from './ordered-map.js';
import type { ContentDifference } from './sealing.js';
import { Sketches } from './sketches.js';

/**
 * Files of the base are read for this until there were so many bytes: some, and as many as the new
 * files have, but no more than that.
 */
const someCandidateBytes = 16 * 1024 ** 2;
const candidateShare = 1;
/** Asked of the thread that reads them. */
const limits = { atOnce: 16 };

/**
 * For new files: the file of the base that each is most like, where there is one. Looks among what
 * goes, what was renamed and what changed, in this order: content that moves leaves a gap.
 */
export async function similarBases(
  difference: ContentDifference,
  fresh: readonly FileEntry[],
  { store, policy, memory }: Encoder,
): Promise<Map<FileEntry, FileEntry>> {
  const isWorth = (file: FileEntry) =>
    file.sizeBytes >= smallestSketchedBytes && !isCompressedFormat(policy, file.path);
  const wanted = fresh.filter(isWorth);
  if (wanted.length === 0) return new Map();
  const known = await chosen(candidates(difference).filter(isWorth), wanted, store);
  if (known.length === 0) return new Map();
  const sketches = new Sketches(store, memory, bytesOf(known) + bytesOf(wanted));
  try {
    return await matches(known, wanted, sketches);
  } finally {
    await sketches.close();
  }
}

async function matches(
  known: readonly FileEntry[],
  wanted: readonly FileEntry[],
  sketches: Sketches,
): Promise<Map<FileEntry, FileEntry>> {
  const sketched = async (file: FileEntry) => ({ file, sketch: await sketches.of(file) });
  const similar = new SimilarFiles<FileEntry>();
  for await (const { file, sketch } of orderedMap(known, limits, sketched)) {
    similar.add(file, sketch);
  }
  const found = new Map<FileEntry, FileEntry>();
  for await (const { file, sketch } of orderedMap(wanted, limits, sketched)) {
    const base = similar.mostSimilar(sketch);
    if (base) found.set(file, base);
  }
  return found;
}

/** As many of the candidates as may be read, each content once. */
async function chosen(
  candidates: readonly FileEntry[],
  wanted: readonly FileEntry[],
  store: ContentStore,
): Promise<FileEntry[]> {
  const result: FileEntry[] = [];
  const digests = new Set<string>();
  let bytesLeft = someCandidateBytes + candidateShare * bytesOf(wanted);
  for (const file of candidates) {
    if (digests.has(file.digest) || file.sizeBytes > bytesLeft) continue;
    if (!(await store.has(file.digest))) continue;
    digests.add(file.digest);
    bytesLeft -= file.sizeBytes;
    result.push(file);
  }
  return result;
}

function bytesOf(files: readonly FileEntry[]): number {
  return files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function candidates({ deleted, renamed, changed }: ContentDifference): FileEntry[] {
  return [
    ...deleted,
    ...renamed.map((rename) => rename.from),
    ...changed.map((change) => change.base),
  ];
}
