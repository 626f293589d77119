import { create } from '@bufbuild/protobuf';
import type { ContentStore } from '#libs/content-store/content-store.js';
import type { FileEntry, TreeEntry } from '#libs/content-store/manifest.js';
import {
  type Command,
  Compression,
  type DataSlice,
  DataSliceSchema,
} from '#libs/contracts/index.js';
import type { TreeDifference } from '#libs/delta/tree-difference.js';
import { compress } from '#libs/native/zstd.js';
import { contentOf } from './blob-bytes.js';
import * as commands from './commands.js';
import type { DataFile } from './data-file.js';
import { encodeContent } from './encode-content.js';
import { canCompress, type EncodingPolicy, levelsOf } from './encoding-policy.js';
import { orderedMap } from './ordered-map.js';
import { similarBases } from './similar-bases.js';

/** Files encoded at a time: one per core of a small host. */
const encodersAtOnce = 2;
/** A larger file is encoded alone: with its base it takes several times its size in memory. */
const aloneBytes = 16 * 1024 ** 2;
/** Files up to this size share frames, and readers take them in one piece. */
const solidFileBytes = 256 * 1024;
const solidFrameBytes = 4 * 1024 ** 2;
/** More new content than this is compressed quickly. */
const littleContentBytes = 48 * 1024 ** 2;

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
  const similar = await similarBases(difference, fresh, store, policy);
  const work: Work = {
    store,
    policy,
    data,
    wholeLevel: wholeLevelFor(fresh, policy),
    slices: new Map(),
  };
  const patched: NewContent[] = [...difference.changed];
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

/** Large files one by one, then the others. */
async function encodeEach(files: readonly NewContent[], work: Work): Promise<Command[]> {
  const { store, policy, wholeLevel, data, slices } = work;
  const isLarge = ({ wanted, base }: NewContent) =>
    wanted.sizeBytes + (base?.sizeBytes ?? 0) > aloneBytes;
  const result: Command[] = [];
  const encode = async (file: NewContent) => ({
    ...file,
    content: await encodeContent(store, policy, file.wanted, wholeLevel, file.base),
  });
  const groups = [
    { files: files.filter(isLarge), atOnce: 1 },
    { files: files.filter((file) => !isLarge(file)), atOnce: encodersAtOnce },
  ];
  for (const group of groups) {
    const encoded = orderedMap(group.files, group.atOnce, encode);
    for await (const { wanted, base, content } of encoded) {
      if (content.kind === 'patch' && base) {
        const slice = await data.append(content);
        result.push(commands.patchFile(base, wanted, content, slice));
        continue;
      }
      const slice = slices.get(wanted.digest) ?? (await data.append(content));
      slices.set(wanted.digest, slice);
      result.push(commands.putFile(wanted, slice));
    }
  }
  return result;
}

/** Stores small files in solid frames: similar ones cost little beside each other. */
async function storeSolid(files: readonly FileEntry[], work: Work): Promise<void> {
  for (const group of groupsOf(files.filter(({ digest }) => !work.slices.has(digest)))) {
    const contents: Uint8Array[] = [];
    for (const file of group) contents.push(await contentOf(work.store, file));
    const plain = Buffer.concat(contents);
    const bytes = await compress(plain, work.wholeLevel);
    const frame = await work.data.append({ compression: Compression.ZSTD, bytes });
    let at = 0;
    for (const { digest, sizeBytes } of group) {
      const place = { contentOffset: BigInt(at), contentBytes: BigInt(plain.length) };
      work.slices.set(digest, create(DataSliceSchema, { ...frame, ...place }));
      at += sizeBytes;
    }
  }
}

function groupsOf(files: readonly FileEntry[]): FileEntry[][] {
  const groups: FileEntry[][] = [];
  let bytesLeft = 0;
  for (const file of files) {
    if (file.sizeBytes > bytesLeft || groups.length === 0) {
      groups.push([]);
      bytesLeft = solidFrameBytes;
    }
    groups.at(-1)?.push(file);
    bytesLeft -= file.sizeBytes;
  }
  return groups;
}

function putKnown(file: FileEntry, { slices }: Work): Command {
  const slice = slices.get(file.digest);
  if (!slice) throw new Error(`the content of ${file.path} was stored nowhere`);
  return commands.putFile(file, slice);
}

const isFile = (entry: TreeEntry): entry is FileEntry => entry.type === 'file';
