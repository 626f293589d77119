import { BinaryReader } from '@bufbuild/protobuf/wire';
import { EntryType } from '#libs/contracts/host.js';
import type { Manifest, TreeEntry } from './manifest.js';
import { MessageBuffer } from './message-buffer.js';
import { SharedEntries } from './shared-entries.js';
import type { Steps } from './turns.js';

// `Manifest` of manifest.proto by hand: less than half the time of the generic code, which would
// hold up everything else in the process for a large tree.

const field = {
  entries: 1,
  path: 1,
  type: 2,
  mode: 3,
  sizeBytes: 4,
  mtimeMs: 5,
  digest: 6,
  symlinkTarget: 7,
} as const;

const entryTypes = {
  file: EntryType.FILE,
  directory: EntryType.DIRECTORY,
  symlink: EntryType.SYMLINK,
} as const;

export function* writeEntries(entries: readonly TreeEntry[]): Steps<Uint8Array> {
  const buffer = new MessageBuffer();
  for (const entry of entries) {
    buffer.message(field.entries, () => writeEntry(buffer, entry));
    yield;
  }
  return buffer.finish();
}

function writeEntry(buffer: MessageBuffer, entry: TreeEntry): void {
  buffer.text(field.path, entry.path, 'utf8');
  buffer.number(field.type, entryTypes[entry.type]);
  if (entry.type === 'symlink') {
    buffer.text(field.symlinkTarget, entry.target, 'utf8');
    return;
  }
  if (entry.mode !== 0) buffer.number(field.mode, entry.mode);
  if (entry.type === 'directory') return;
  if (entry.sizeBytes !== 0) buffer.number(field.sizeBytes, entry.sizeBytes);
  if (entry.mtimeMs !== 0) buffer.number(field.mtimeMs, entry.mtimeMs);
  buffer.text(field.digest, entry.digest, 'hex');
}

/**
 * @param like entries that are the same there are taken from it, not made anew
 * @throws for bytes that are no `Manifest`, or an entry without a type
 */
export function* readEntries(bytes: Uint8Array, like: Manifest): Steps<TreeEntry[]> {
  const reader = new BinaryReader(bytes);
  const shared = new SharedEntries(like);
  const entries: TreeEntry[] = [];
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number === field.entries) entries.push(shared.take(readEntry(reader, reader.uint32())));
    else reader.skip(wireType, number);
    yield;
  }
  return entries;
}

function readEntry(reader: BinaryReader, length: number): TreeEntry {
  const end = reader.pos + length;
  let [path, target, digest] = ['', '', ''];
  let [type, mode, sizeBytes, mtimeMs] = [0, 0, 0, 0];
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    if (number === field.path) path = reader.string();
    else if (number === field.type) type = reader.int32();
    else if (number === field.mode) mode = reader.uint32();
    else if (number === field.sizeBytes) sizeBytes = Number(reader.uint64());
    else if (number === field.mtimeMs) mtimeMs = Number(reader.int64());
    else if (number === field.digest) digest = hex(reader.bytes());
    else if (number === field.symlinkTarget) target = reader.string();
    else reader.skip(wireType, number);
  }
  if (reader.pos !== end) throw new RangeError(`the entry ${path} is longer than it says`);
  if (type === EntryType.FILE) return { type: 'file', path, mode, sizeBytes, mtimeMs, digest };
  if (type === EntryType.DIRECTORY) return { type: 'directory', path, mode };
  if (type === EntryType.SYMLINK) return { type: 'symlink', path, target };
  throw new RangeError(`the entry ${path} has no type`);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
