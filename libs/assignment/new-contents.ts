import type { ContentStore } from '#libs/content-store/content-store.js';
import type { FileEntry, TreeEntry } from '#libs/content-store/manifest.js';
import type { Command, DataSlice } from '#libs/contracts/index.js';
import type { TreeDifference } from '#libs/delta/tree-difference.js';
import { contentOf } from './blob-bytes.js';
import * as commands from './commands.js';
import type { DataFile } from './data-file.js';
import { encodeContent } from './encode-content.js';
import { canCompress, type EncodingPolicy, levelsOf } from './encoding-policy.js';
import { orderedMap } from './ordered-map.js';
import { similarBases } from './similar-bases.js';
import { SolidFrameWriter, type SolidPart } from './solid-frame-writer.js';

/** Files encoded at a time: a few cores stay busy while results wait for a slow one. */
const encodersAtOnce = 8;
/** And so many bytes, of them and their bases: encoding takes several times that in memory. */
const mostEncodedBytes = 12 * 1024 ** 2;
/** Files up to this size share frames, and readers take them in one piece. */
const solidFileBytes = 256 * 1024;
/** More new content than this is compressed quickly. */
const littleContentBytes = 24 * 1024 ** 2;

interface Work {
  readonly store: ContentStore;
  readonly policy: EncodingPolicy;
  readonly data: DataFile;
  /** zstd's level for content that is sent whole. */
  readonly wholeLevel: number;
  /** Where content that is sent whole stands, by digest: what is new twice is stored once. */
  readonly slices: Map<string, DataSlice>;
}

/** A file whose content the base has not. */
interface NewContent {
  readonly wanted: FileEntry;
  readonly base?: FileEntry;
}

/** Commands for all files whose content the base has not; the content goes to `data`. */
export async function contentCommands(
  difference: TreeDifference,
  store: ContentStore,
  policy: EncodingPolicy,
  data: DataFile,
): Promise<Command[]> {
  const fresh = freshFiles(difference);
  const patches = policy.patchesFiles ?? true;
  const similar = patches ? await similarBases(difference, fresh, store, policy) : new Map();
  const work: Work = {
    store,
    policy,
    data,
    wholeLevel: wholeLevelFor(fresh, policy),
    slices: new Map(),
  };
  const { changed } = difference;
  const patched: NewContent[] = patches ? [...changed] : changed.map(({ wanted }) => ({ wanted }));
  const whole: FileEntry[] = [];
  for (const wanted of fresh) {
    const base = similar.get(wanted);
    if (base) patched.push({ wanted, base });
    else whole.push(wanted);
  }
  const first = firstOfEach(whole);
  const isSolid = (file: FileEntry) =>
    file.sizeBytes > 0 && file.sizeBytes <= solidFileBytes && canCompress(policy, file.path);
  const alone = first.filter((file) => !isSolid(file)).map((wanted) => ({ wanted }));
  const result = await encodeEach([...patched, ...alone], work);
  await storeSolid(first.filter(isSolid), work);
  const made = new Set(first.filter((file) => !isSolid(file)));
  for (const file of whole) if (!made.has(file)) result.push(putKnown(file, work));
  return result;
}

function freshFiles({ added, typeChanged }: TreeDifference): FileEntry[] {
  const fresh: FileEntry[] = [...added];
  for (const { from, wanted } of typeChanged) if (!from && isFile(wanted)) fresh.push(wanted);
  return fresh;
}

function wholeLevelFor(fresh: readonly FileEntry[], policy: EncodingPolicy): number {
  const bytes = fresh.reduce((sum, file) => sum + file.sizeBytes, 0);
  const { muchContent, littleContent } = levelsOf(policy);
  return bytes > littleContentBytes ? muchContent : littleContent;
}

function firstOfEach(files: readonly FileEntry[]): FileEntry[] {
  const digests = new Set<string>();
  return files.filter(({ digest }) => !digests.has(digest) && digests.add(digest));
}

/** Large files first, one by one; small differences share frames. */
async function encodeEach(files: readonly NewContent[], work: Work): Promise<Command[]> {
  const { store, policy, wholeLevel, data, slices } = work;
  const weightOf = ({ wanted, base }: NewContent) => wanted.sizeBytes + (base?.sizeBytes ?? 0);
  const isLarge = (file: NewContent) => weightOf(file) > mostEncodedBytes;
  const limits = { atOnce: encodersAtOnce, mostWeight: mostEncodedBytes, weightOf };
  const result: Command[] = [];
  const encode = async (file: NewContent) => ({
    ...file,
    content: await encodeContent(store, policy, file.wanted, wholeLevel, file.base),
  });
  const inOrder = [...files.filter(isLarge), ...files.filter((file) => !isLarge(file))];
  const solid = new SolidFrameWriter<PatchOf>(data, levelsOf(policy).patch);
  const patch = ([{ base, wanted, form }, slice]: SolidPart<PatchOf>) => {
    result.push(commands.patchFile(base, wanted, form, slice));
  };
  for await (const { wanted, base, content } of orderedMap(inOrder, limits, encode)) {
    if (content.kind === 'difference' && base) {
      const { bytes, encoding, operations = [] } = content;
      const part = { base, wanted, form: { encoding, operations } };
      for (const written of await solid.add(part, bytes)) patch(written);
    } else if (content.kind === 'patch' && base) {
      patch([{ base, wanted, form: content }, await data.append(content)]);
    } else if (content.kind === 'whole') {
      const slice = slices.get(wanted.digest) ?? (await data.append(content));
      slices.set(wanted.digest, slice);
      result.push(commands.putFile(wanted, slice));
    }
  }
  for (const written of await solid.finish()) patch(written);
  return result;
}

interface PatchOf {
  readonly base: FileEntry;
  readonly wanted: FileEntry;
  readonly form: commands.PatchForm;
}

/** Stores small files in solid frames. */
async function storeSolid(files: readonly FileEntry[], work: Work): Promise<void> {
  const { store, data, wholeLevel, slices } = work;
  const solid = new SolidFrameWriter<string>(data, wholeLevel);
  const known = ([digest, slice]: SolidPart<string>) => slices.set(digest, slice);
  for (const file of files) {
    if (slices.has(file.digest)) continue;
    (await solid.add(file.digest, await contentOf(store, file))).forEach(known);
  }
  (await solid.finish()).forEach(known);
}

function putKnown(file: FileEntry, { slices }: Work): Command {
  const slice = slices.get(file.digest);
  if (!slice) throw new Error(`the content of ${file.path} was stored nowhere`);
  return commands.putFile(file, slice);
}

const isFile = (entry: TreeEntry): entry is FileEntry => entry.type === 'file';
