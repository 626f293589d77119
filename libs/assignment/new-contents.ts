import type { ContentStore } from '#libs/content-store/content-store.js';
import type { FileEntry, TreeEntry } from '#libs/content-store/manifest.js';
import type { Command, DataSlice } from '#libs/contracts/index.js';
import { type TakeMemory, WorkMemory } from '#libs/native/work-memory.js';
import { contentOf } from './blob-bytes.js';
import * as commands from './commands.js';
import { configurationCommands } from './configuration-commands.js';
import type { DataFile } from './data-file.js';
import { type Encoder, encodeContent } from './encode-content.js';
import { canCompress, type EncodingPolicy, levelsOf } from './encoding-policy.js';
import { orderedMap } from './ordered-map.js';
import type { ContentDifference } from './sealing.js';
import { similarBases } from './similar-bases.js';
import { SolidFrameWriter, type SolidPart } from './solid-frame-writer.js';

/** Files encoded at a time: a few cores stay busy while results wait for a slow one. */
const encodersAtOnce = 8;
/** And so many bytes, of them and their bases: encoding takes several times that in memory. */
const mostEncodedBytes = 40 * 1024 ** 2;
/** Files that weigh more come first: none of them is waited for at the end. */
const largeBytes = 12 * 1024 ** 2;
/** Of memory that encoders use again. */
const spareMemoryBytes = 32 * 1024 ** 2;
/** Files up to this size share frames, and readers take them in one piece. */
const solidFileBytes = 256 * 1024;
/** More new content than this is compressed quickly. */
const littleContentBytes = 24 * 1024 ** 2;

interface Work extends Encoder {
  readonly data: DataFile;
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
  difference: ContentDifference,
  store: ContentStore,
  policy: EncodingPolicy,
  data: DataFile,
): Promise<Command[]> {
  const fresh = freshFiles(difference);
  const memory = new WorkMemory(spareMemoryBytes);
  const wholeLevel = wholeLevelFor(fresh, policy);
  const work: Work = { store, policy, memory, wholeLevel, data, slices: new Map() };
  const patches = policy.patchesFiles ?? true;
  const { configured, changed } = await sortOutConfigured(difference, store, policy);
  const known: NewContent[] = patches ? [...changed] : changed.map(({ wanted }) => ({ wanted }));
  const sorting = patches ? sortOut(difference, fresh, work) : without(fresh, policy);
  // Files that changed are encoded while bases are looked for.
  async function* inOrder() {
    yield* largeFirst(known);
    yield* largeFirst((await sorting).alone);
  }
  const [encoded, { solid, again }] = await Promise.all([encodeEach(inOrder(), work), sorting]);
  await storeSolid(solid, work);
  return [...configured, ...encoded, ...[...solid, ...again].map((file) => putKnown(file, work))];
}

/** Commands for the files in which only values change, and the other changed files. */
async function sortOutConfigured(
  { changed }: ContentDifference,
  store: ContentStore,
  policy: EncodingPolicy,
) {
  if (!policy.configuration || policy.patchesFiles === false) return { configured: [], changed };
  const configured: Command[] = [];
  const others: ContentDifference['changed'][number][] = [];
  for (const file of changed) {
    const set = await configurationCommands(file, store, policy);
    if (set) configured.push(...set);
    else others.push(file);
  }
  return { configured, changed: others };
}

/** Files that are new as a whole. */
interface SortedOut {
  /** Each on its own, some from a file of the base. */
  readonly alone: readonly NewContent[];
  /** Small ones, which share frames. */
  readonly solid: readonly FileEntry[];
  /** With content that another one of them has. */
  readonly again: readonly FileEntry[];
}

async function sortOut(difference: ContentDifference, fresh: readonly FileEntry[], work: Work) {
  return without(fresh, work.policy, await similarBases(difference, fresh, work));
}

function without(
  fresh: readonly FileEntry[],
  policy: EncodingPolicy,
  bases: ReadonlyMap<FileEntry, FileEntry> = new Map(),
): SortedOut {
  const result = { alone: [] as NewContent[], solid: [] as FileEntry[], again: [] as FileEntry[] };
  const digests = new Set<string>();
  for (const wanted of fresh) {
    const base = bases.get(wanted);
    if (base) result.alone.push({ wanted, base });
    else if (digests.has(wanted.digest)) result.again.push(wanted);
    else if (isSolid(wanted, policy)) result.solid.push(wanted);
    else result.alone.push({ wanted });
    if (!base) digests.add(wanted.digest);
  }
  return result;
}

function isSolid({ path, sizeBytes }: FileEntry, policy: EncodingPolicy): boolean {
  return sizeBytes > 0 && sizeBytes <= solidFileBytes && canCompress(policy, path);
}

function freshFiles({ added, typeChanged }: ContentDifference): FileEntry[] {
  const fresh: FileEntry[] = [...added];
  for (const { from, wanted } of typeChanged) if (!from && isFile(wanted)) fresh.push(wanted);
  return fresh;
}

function wholeLevelFor(fresh: readonly FileEntry[], policy: EncodingPolicy): number {
  const bytes = fresh.reduce((sum, file) => sum + file.sizeBytes, 0);
  const { muchContent, littleContent } = levelsOf(policy);
  return bytes > littleContentBytes ? muchContent : littleContent;
}

const weightOf = ({ wanted, base }: NewContent) => wanted.sizeBytes + (base?.sizeBytes ?? 0);

function largeFirst(files: readonly NewContent[]): NewContent[] {
  const isLarge = (file: NewContent) => weightOf(file) > largeBytes;
  return [...files.filter(isLarge), ...files.filter((file) => !isLarge(file))];
}

/** Small differences share frames. */
async function encodeEach(files: AsyncIterable<NewContent>, work: Work): Promise<Command[]> {
  const { policy, data, slices } = work;
  const limits = { atOnce: encodersAtOnce, mostWeight: mostEncodedBytes, weightOf };
  const result: Command[] = [];
  const encode = async (file: NewContent) => ({
    ...file,
    content: await encodeContent(work, file.wanted, file.base),
  });
  const solid = new SolidFrameWriter<PatchOf>(data, levelsOf(policy).patch);
  const patch = ([{ base, wanted, form }, slice]: SolidPart<PatchOf>) => {
    result.push(commands.patchFile(base, wanted, form, slice));
  };
  for await (const { wanted, base, content } of orderedMap(files, limits, encode)) {
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
  const { store, memory, data, wholeLevel, slices } = work;
  const solid = new SolidFrameWriter<string>(data, wholeLevel);
  const known = ([digest, slice]: SolidPart<string>) => slices.set(digest, slice);
  for (const file of files) {
    if (slices.has(file.digest)) continue;
    const add = async (take: TakeMemory) =>
      solid.add(file.digest, await contentOf(store, file, take));
    (await memory.lend(add)).forEach(known);
  }
  (await solid.finish()).forEach(known);
}

function putKnown(file: FileEntry, { slices }: Work): Command {
  const slice = slices.get(file.digest);
  if (!slice) throw new Error(`the content of ${file.path} was stored nowhere`);
  return commands.putFile(file, slice);
}

const isFile = (entry: TreeEntry): entry is FileEntry => entry.type === 'file';
