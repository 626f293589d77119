import {
  assignmentPayloadType,
  layoutOf,
  openHead,
  preambleOf,
} from '#libs/assignment/container.js';
import { encodeEnvelope, parseEnvelope, signEnvelope } from '#libs/assignment/envelope.js';
import { AssignmentRefused } from '#libs/assignment/errors.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import {
  canCompressHere,
  compress,
  compressWithPrefix,
  decompress,
  decompressStream,
  decompressWithPrefix,
  zstdProvider,
} from '#libs/native/zstd.js';
import { CorruptFrame, OutputTooLarge } from '#libs/native/zstd-codec.js';
import type { Reader } from './hostile-bytes.js';

const mostBytes = 100_000;
const base = Buffer.from('a line of the base\n'.repeat(400));
const content = Buffer.concat([base.subarray(2000), Buffer.from('something else'), base]);

/** Readers of what is compressed, where this host can make it: foreign code, fed as it comes. */
export async function frameReaders(): Promise<Reader[]> {
  if (!canCompressHere()) return [];
  const refusals = [CorruptFrame, OutputTooLarge];
  const frame = await compress(content, 3);
  const readers: Reader[] = [
    {
      name: 'zstd frame',
      original: frame,
      read: async (bytes) => checked(await decompress(bytes, mostBytes)),
      refusals,
      isAuthenticated: false,
    },
    {
      name: 'zstd frame in pieces',
      original: frame,
      read: async (bytes) => {
        let length = 0;
        for await (const piece of decompressStream(inTwo(bytes), mostBytes)) length += piece.length;
        return length;
      },
      refusals,
      isAuthenticated: false,
    },
  ];
  if (!zstdProvider().prefix) return readers;
  const patch = await compressWithPrefix(content, base, { level: 3, longDistance: false });
  const read = async (bytes: Uint8Array) =>
    checked(await decompressWithPrefix(bytes, base, mostBytes));
  return [
    ...readers,
    { name: 'patch of a file', original: patch, read, refusals, isAuthenticated: false },
  ];
}

async function* inTwo(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes.subarray(0, bytes.length >> 1);
  yield bytes.subarray(bytes.length >> 1);
}

function checked(content: Uint8Array): Uint8Array {
  if (content.length > mostBytes) throw new Error(`${content.length} bytes, at most ${mostBytes}`);
  return content;
}

/**
 * The reader of a header that a trusted key has signed, whatever is in it.
 * @param container a sound one
 */
export function signedHeaderReader(container: Uint8Array, key: SigningKey): Reader {
  const view = Buffer.from(container);
  const [envelopeBytes, bodyBytes] = [view.readUInt32BE(12), Number(view.readBigUInt64BE(24))];
  const { headBytes } = layoutOf(envelopeBytes, bodyBytes);
  const leaves = container.subarray(32 + envelopeBytes, headBytes);
  const { payload } = parseEnvelope(container.subarray(32, 32 + envelopeBytes));
  const trust = { keys: [key.publicKey], threshold: 1 };
  return {
    name: 'signed header',
    original: payload,
    read: (bytes) => {
      const envelope = encodeEnvelope(signEnvelope(assignmentPayloadType, bytes, [key]));
      const preamble = preambleOf(layoutOf(envelope.length, bodyBytes));
      return openHead(Buffer.concat([preamble, envelope, leaves]), trust).header;
    },
    refusals: [AssignmentRefused],
    isAuthenticated: false,
  };
}
