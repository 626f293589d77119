import { createHash } from 'node:crypto';
import type { FileEntry } from '#libs/content-store/manifest.js';
import { Compression, PatchEncoding } from '#libs/contracts/host.js';
import type { TakeMemory } from '#libs/native/work-memory.js';
import { WrongContent } from './errors.js';
import { operatedContent } from './operated-content.js';
import { literalBytes } from './patch-operations.js';
import type { Origin } from './planned-tree.js';
import type { ContentSource, InterpreterPorts } from './ports.js';

/** Content up to this size is taken in one piece. */
export const smallBytes = 262_144;

/** Reads files of the base. */
export interface BaseReader {
  /** All of a file, or a stretch of it; valid until another is read so. */
  read(file: FileEntry, offset?: number, length?: number): Uint8Array;
  /** Fills `target` with what is at `offset`. */
  readInto(file: FileEntry, offset: number, target: Uint8Array): void;
  range(file: FileEntry, offset: number, length: number): Iterable<Uint8Array>;
}

export interface ContentContext {
  readonly data: ContentSource;
  readonly base: BaseReader;
  readonly decodePatch: InterpreterPorts['decodePatch'];
  /** For one piece at a time; new for each unless told. */
  readonly take?: TakeMemory;
}

/** The bytes of a planned file, in pieces that are valid until the next is taken. */
export async function* contentOf(
  entry: FileEntry,
  origin: Origin,
  context: ContentContext,
): AsyncGenerator<Uint8Array> {
  switch (origin.kind) {
    case 'base':
      yield* context.base.range(origin.file, 0, origin.file.sizeBytes);
      return;
    case 'bytes':
      yield origin.bytes;
      return;
    case 'data':
      if (origin.data && entry.sizeBytes > 0) yield* slicePieces(origin.data, entry, context);
      return;
    case 'patch':
      yield* patched(entry, origin, context);
  }
}

async function* patched(entry: FileEntry, origin: PatchOrigin, context: ContentContext) {
  switch (origin.encoding) {
    case PatchEncoding.OPERATIONS:
    case PatchEncoding.DIFFERENCE:
      yield* operated(origin, context);
      break;
    case PatchEncoding.ZSTD_SEGMENTS:
      yield* segments(origin, context);
      break;
    default:
      yield await decoded(entry, origin, context);
  }
}

/** All bytes of a file, which must be those that were signed. @throws WrongContent */
export async function readContent(
  entry: FileEntry,
  origin: Origin,
  context: ContentContext,
): Promise<Uint8Array> {
  const pieces: Buffer[] = [];
  for await (const piece of contentOf(entry, origin, context)) pieces.push(Buffer.from(piece));
  const bytes = Buffer.concat(pieces);
  const digest = createHash('sha256').update(bytes).digest('hex');
  if (digest !== entry.digest) throw new WrongContent(entry.path, `has the digest ${digest}`);
  return bytes;
}

type PatchOrigin = Extract<Origin, { kind: 'patch' }>;
type Slice = NonNullable<PatchOrigin['data']>;

async function* slicePieces(
  data: Slice,
  { sizeBytes }: FileEntry,
  { data: source }: ContentContext,
) {
  if (sizeBytes <= smallBytes) yield await source.read(data, sizeBytes);
  else yield* source.stream(data, sizeBytes);
}

function operated(origin: PatchOrigin, { base, data }: ContentContext) {
  const { encoding, operations, base: file } = origin;
  const bytes = literalBytes(encoding, operations);
  const source = origin.data && bytes > 0n ? data.stream(origin.data, Number(bytes)) : nothing();
  const patchBase = {
    sizeBytes: file.sizeBytes,
    all: () => base.read(file),
    readInto: (offset: number, target: Uint8Array) => base.readInto(file, offset, target),
  };
  return operatedContent(operations, patchBase, source, encoding === PatchEncoding.DIFFERENCE);
}

/** Segment by segment, so that a large file never is in memory as a whole. */
async function* segments(origin: PatchOrigin, { base, data, decodePatch, take }: ContentContext) {
  if (!origin.data) return;
  let offset = origin.data.offset;
  for (const { copyOffset, copyLength, literalLength, resultLength } of origin.operations) {
    const slice = { ...origin.data, offset, length: literalLength };
    const frame = await data.read(slice, Number(literalLength));
    const prefix = base.read(origin.base, Number(copyOffset), Number(copyLength));
    yield await decodePatch(frame, prefix, Number(resultLength), take);
    offset += literalLength;
  }
}

async function decoded(entry: FileEntry, origin: PatchOrigin, context: ContentContext) {
  if (!origin.data) throw new Error(`the patch of ${entry.path} has no data`);
  const frame = { ...origin.data, compression: Compression.NONE };
  const bytes = await context.data.read(frame, Number(frame.length));
  const base = context.base.read(origin.base);
  return context.decodePatch(bytes, base, entry.sizeBytes, context.take);
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
