import { timeSlice } from '#libs/content-store/adapters/time-slice.js';
import type { ContentStore } from '#libs/content-store/content-store.js';
import type { FileEntry } from '#libs/content-store/manifest.js';
import { SimilarFiles, sketchOf, smallestSketchedBytes } from '#libs/delta/sketch.js';
import type { TreeDifference } from '#libs/delta/tree-difference.js';
import { contentOf } from './blob-bytes.js';
import { type EncodingPolicy, isCompressedFormat } from './encoding-policy.js';

/**
 * Files of the base are read for this until there were so many bytes: some, and a few for each of
 * the new files, but no more than that.
 */
const someCandidateBytes = 8 * 1024 ** 2;
const candidateShare = 2;
const mostCandidateBytes = 256 * 1024 ** 2;
const sliceMs = 20;

/**
 * For new files: the file of the base that each is most like, where there is one. Looks among what
 * goes, what was renamed and what changed, in this order: content that moves leaves a gap.
 */
export async function similarBases(
  difference: TreeDifference,
  fresh: readonly FileEntry[],
  store: ContentStore,
  policy: EncodingPolicy,
): Promise<Map<FileEntry, FileEntry>> {
  const found = new Map<FileEntry, FileEntry>();
  const isWorth = (file: FileEntry) =>
    file.sizeBytes >= smallestSketchedBytes &&
    file.sizeBytes <= policy.largestInMemoryBytes &&
    !isCompressedFormat(policy, file.path);
  const wanted = fresh.filter(isWorth);
  if (wanted.length === 0) return found;
  const pause = timeSlice(sliceMs);
  const similar = new SimilarFiles<FileEntry>();
  let bytesLeft = candidateBytesFor(wanted);
  const sketched = new Set<string>();
  for (const file of candidates(difference).filter(isWorth)) {
    if (sketched.has(file.digest) || file.sizeBytes > bytesLeft) continue;
    if (!(await store.has(file.digest))) continue;
    sketched.add(file.digest);
    bytesLeft -= file.sizeBytes;
    similar.add(file, sketchOf(await contentOf(store, file)));
    await pause();
  }
  if (sketched.size === 0) return found;
  for (const file of wanted) {
    const base = similar.mostSimilar(sketchOf(await contentOf(store, file)));
    if (base) found.set(file, base);
    await pause();
  }
  return found;
}

function candidateBytesFor(wanted: readonly FileEntry[]): number {
  const wantedBytes = wanted.reduce((sum, file) => sum + file.sizeBytes, 0);
  return Math.min(mostCandidateBytes, someCandidateBytes + candidateShare * wantedBytes);
}

function candidates({ deleted, renamed, changed }: TreeDifference): FileEntry[] {
  return [
    ...deleted,
    ...renamed.map((rename) => rename.from),
    ...changed.map((change) => change.base),
  ];
}
