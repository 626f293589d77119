import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { type BlockPlace, openBlock, sealBlock } from '#libs/assignment/block-cipher.js';
import {
  blockRange,
  openHead,
  parsePreamble,
  preambleBytes,
  sha256Hex,
  verifyBlock,
  verifyBlockByProof,
} from '#libs/assignment/container.js';
import { parseEnvelope } from '#libs/assignment/envelope.js';
import { AssignmentRefused } from '#libs/assignment/errors.js';
import { frameMessage, splitMessages } from '#libs/assignment/message-stream.js';
import {
  nextRoot,
  type RootDocument,
  readRootFile,
  writeRootFile,
} from '#libs/assignment/root-document.js';
import {
  decodeManifest,
  encodeManifest,
  MalformedManifest,
} from '#libs/content-store/manifest-codec.js';
import { decodePin, encodePin, MalformedPin } from '#libs/content-store/pins.js';
import { CommandSchema } from '#libs/contracts/index.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';

/*
 * Readers of bytes from anywhere, each with what it may say to hostile ones: a named refusal, or
 * the very thing that was written. Everything else is a defect.
 */

/** One reader: fed with bytes it throws a refusal, gives nothing, or what `original` gives. */
export interface Reader {
  readonly name: string;
  readonly original: Uint8Array;
  read(bytes: Uint8Array): Promise<unknown> | unknown;
  readonly refusals: readonly (new (...parameters: never[]) => Error)[];
  /** Every changed bit is noticed. */
  readonly isAuthenticated: boolean;
}

/** Ways to change bytes: flips, cuts, insertions, moved and repeated pieces, or all of them new. */
export const damage = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('flip' as const), at: fc.nat(), bit: fc.nat(7) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cut' as const), at: fc.nat() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('insert' as const),
      at: fc.nat(),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('move' as const),
      at: fc.nat(),
      to: fc.nat(),
      length: fc.integer({ min: 1, max: 64 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('overwrite' as const),
      at: fc.nat(),
      bytes: fc.constantFrom(
        Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
        Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0),
        Uint8Array.of(0x7f, 0xff, 0xff, 0xff),
        Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01),
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('replace' as const),
      bytes: fc.uint8Array({ maxLength: 200 }),
    }),
  },
);

type Damage = typeof damage extends fc.Arbitrary<infer Value> ? Value : never;

export function damaged(original: Uint8Array, changes: readonly Damage[]): Uint8Array {
  let bytes: Buffer = Buffer.from(original);
  for (const change of changes) bytes = damagedOnce(bytes, change);
  return bytes;
}

function damagedOnce(bytes: Buffer, change: Damage): Buffer {
  if (change.kind === 'replace') return Buffer.from(change.bytes);
  const at = bytes.length === 0 ? 0 : change.at % bytes.length;
  switch (change.kind) {
    case 'flip': {
      const flipped = Buffer.from(bytes);
      if (flipped.length > 0) flipped[at] = (flipped[at] as number) ^ (1 << change.bit);
      return flipped;
    }
    case 'cut':
      return bytes.subarray(0, at);
    case 'insert':
      return Buffer.concat([bytes.subarray(0, at), change.bytes, bytes.subarray(at)]);
    case 'overwrite': {
      const end = Math.min(bytes.length, at + change.bytes.length);
      const written = change.bytes.subarray(0, end - at);
      return Buffer.concat([bytes.subarray(0, at), written, bytes.subarray(end)]);
    }
    case 'move': {
      const piece = bytes.subarray(at, at + change.length);
      const rest = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + change.length)]);
      const to = rest.length === 0 ? 0 : change.to % rest.length;
      return Buffer.concat([rest.subarray(0, to), piece, rest.subarray(to)]);
    }
  }
}

const key = signingKeyFromPem(generatePrivateKeyPem());
const trust = { keys: [key.publicKey], threshold: 1 };
const dataKey = new Uint8Array(32).fill(7);

/** @param container a sound one, of one block, signed by `signer` */
export function readers(container: Uint8Array, signer: { publicKey: Uint8Array }): Reader[] {
  const by = { keys: [signer.publicKey], threshold: 1 };
  const layout = parsePreamble(container);
  const head = openHead(container.subarray(0, layout.headBytes), by);
  const { offset, length } = blockRange(layout, 0);
  const refusals = [AssignmentRefused];
  const root = { version: 1, expiresAtMs: 9, roots: trust, assignments: trust };
  const envelope = container.subarray(preambleBytes, preambleBytes + layout.envelopeBytes);
  const place = { part: 1, index: 0 };
  const others = otherReaders(root, place);
  return [
    ...others,
    {
      name: 'preamble',
      original: container.subarray(0, 32),
      read: parsePreamble,
      refusals,
      isAuthenticated: false,
    },
    { name: 'envelope', original: envelope, read: parseEnvelope, refusals, isAuthenticated: false },
    {
      name: 'container',
      original: container,
      read: (bytes) => openWhole(bytes, by),
      refusals,
      isAuthenticated: true,
    },
    {
      name: 'block',
      original: container.subarray(offset, offset + length),
      read: (bytes) => verifyBlock(head, 0, bytes) || undefined,
      refusals: [],
      isAuthenticated: true,
    },
    {
      name: 'block by proof',
      original: container.subarray(offset, offset + length),
      read: (bytes) => verifyBlockByProof(head.header, 0, bytes, []) || undefined,
      refusals: [],
      isAuthenticated: true,
    },
  ];
}

function otherReaders(root: RootDocument, place: BlockPlace): Reader[] {
  const refusals = [AssignmentRefused];
  return [
    {
      name: 'sealed block',
      original: sealBlock(dataKey, place, Buffer.from('content')),
      read: (bytes) => openBlock(dataKey, place, bytes),
      refusals,
      isAuthenticated: true,
    },
    {
      name: 'root document',
      original: writeRootFile({ ...root, version: 2 }, [key]),
      read: (bytes) => nextRoot(root, bytes, 0),
      refusals,
      isAuthenticated: true,
    },
    {
      name: 'first root document',
      original: writeRootFile(root, [key]),
      read: readRootFile,
      refusals,
      isAuthenticated: false,
    },
    {
      name: 'command buffer',
      original: commandBuffer(),
      read: split,
      refusals,
      isAuthenticated: false,
    },
    {
      name: 'manifest',
      original: manifest(),
      read: decodeManifest,
      refusals: [MalformedManifest],
      isAuthenticated: false,
    },
    {
      name: 'pin',
      original: encodePin({ blobs: [sha256Hex(Buffer.of(1))], manifests: [] }),
      read: (bytes) => decodePin('name', bytes),
      refusals: [MalformedPin],
      isAuthenticated: false,
    },
  ];
}

function openWhole(bytes: Uint8Array, by: typeof trust): unknown {
  const layout = parsePreamble(bytes);
  if (bytes.length !== layout.containerBytes) throw new AssignmentRefused('damaged', 'length');
  const head = openHead(bytes.subarray(0, layout.headBytes), by);
  for (let index = 0; index < layout.blockCount; index++) {
    const { offset, length } = blockRange(layout, index);
    if (!verifyBlock(head, index, bytes.subarray(offset, offset + length))) {
      throw new AssignmentRefused('damaged', `block ${index}`);
    }
  }
  return head.header;
}

async function split(bytes: Uint8Array): Promise<number> {
  let messages = 0;
  for await (const _message of splitMessages(pieces(bytes))) messages++;
  return messages;
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7);
}

function commandBuffer(): Uint8Array {
  const commands = ['a', 'b'.repeat(200), 'c/d'].map((path) =>
    create(CommandSchema, { command: { case: 'deleteFile', value: { path } } }),
  );
  return Buffer.concat(commands.map((command) => frameMessage(toBinary(CommandSchema, command))));
}

function manifest(): Uint8Array {
  const digest = sha256Hex(Buffer.of(1));
  return encodeManifest([
    { type: 'directory', path: 'a', mode: 0o755 },
    { type: 'file', path: 'a/b', mode: 0o644, sizeBytes: 5, mtimeMs: 1, digest },
    { type: 'symlink', path: 'c', target: 'a' },
  ]);
}

/** A reader met damaged bytes. @throws for what no reader may do */
export async function meet(reader: Reader, bytes: Uint8Array): Promise<void> {
  const isOriginal = Buffer.compare(bytes, reader.original) === 0;
  let result: unknown;
  try {
    result = await reader.read(bytes);
  } catch (error) {
    const isNamed = reader.refusals.some((refusal) => error instanceof refusal);
    if (!isNamed || isOriginal) throw error;
    return;
  }
  if (isOriginal || !reader.isAuthenticated || result === undefined) return;
  throw new Error(`the ${reader.name} took ${bytes.length} changed bytes for what was written`);
}
