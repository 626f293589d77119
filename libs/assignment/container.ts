import { createHash, timingSafeEqual } from 'node:crypto';
import { fromBinary } from '@bufbuild/protobuf';
import { type AssignmentHeader, AssignmentHeaderSchema } from '#libs/contracts/host.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';
import { sealedLength } from './block-cipher.js';
import { type Envelope, openEnvelope, parseEnvelope } from './envelope.js';
import { AssignmentRefused } from './errors.js';
import { hashBytes, inclusionProof, isIncluded, leafHash, merkleRoot } from './merkle.js';

/*
 * Layout of a container (numbers are big endian):
 *
 *   0   8  magic "ESPALIER"
 *   8   2  version, 1
 *  10   2  flags, 0
 *  12   4  length of the envelope
 *  16   4  number of blocks of the body
 *  20   4  reserved, 0
 *  24   8  length of the body
 *  32      envelope: DSSE in JSON, the payload is an AssignmentHeader
 *          leaves: the hash of each block, 32 bytes each
 *          body: command buffer, then data file
 */
export const magic = 'ESPALIER';
export const formatVersion = 1;
export const preambleBytes = 32;
export const blockBytes = 65_536;
export const assignmentPayloadType = 'application/vnd.espalier.assignment.v1+protobuf';

/** Bounds that hold before any signature has been looked at. */
export const limits = {
  envelopeBytes: 1_048_576,
  bodyBytes: 4 * 1024 ** 3,
  commandsBytes: 256 * 1024 ** 2,
  /** Of one job. */
  parts: 1024,
} as const;

/** Where the parts of a container are; all in bytes, counted from its start. */
export interface ContainerLayout {
  readonly envelopeBytes: number;
  readonly blockCount: number;
  readonly bodyBytes: number;
  /** Preamble, envelope and leaves: what must be read to verify anything else. */
  readonly headBytes: number;
  readonly containerBytes: number;
}

/** A container's head, its signatures verified. */
export interface AssignmentHead {
  readonly header: AssignmentHeader;
  readonly envelope: Envelope;
  /** `layout.blockCount` hashes of 32 bytes. */
  readonly leaves: Uint8Array;
  readonly layout: ContainerLayout;
}

/**
 * Reads the first `preambleBytes` of a container; more may follow.
 * @throws AssignmentRefused `malformed`, `too-large`
 */
export function parsePreamble(bytes: Uint8Array): ContainerLayout {
  if (bytes.length < preambleBytes) throw malformed('the container ends within its preamble');
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, preambleBytes);
  if (view.toString('latin1', 0, 8) !== magic) throw malformed('this is no assignment container');
  if (view.readUInt16BE(8) !== formatVersion) {
    throw malformed(`the container has the unknown version ${view.readUInt16BE(8)}`);
  }
  if (view.readUInt16BE(10) !== 0 || view.readUInt32BE(20) !== 0) {
    throw malformed('the container has unknown flags');
  }
  const bodyBytes = view.readBigUInt64BE(24);
  if (bodyBytes > BigInt(limits.bodyBytes)) throw tooLarge(`a body of ${bodyBytes} bytes`);
  const layout = layoutOf(view.readUInt32BE(12), Number(bodyBytes));
  if (view.readUInt32BE(16) !== layout.blockCount) {
    throw malformed('the number of blocks does not fit the length of the body');
  }
  return layout;
}

/** @throws AssignmentRefused `too-large` */
export function layoutOf(envelopeBytes: number, bodyBytes: number): ContainerLayout {
  if (envelopeBytes > limits.envelopeBytes) throw tooLarge(`an envelope of ${envelopeBytes} bytes`);
  if (bodyBytes > limits.bodyBytes) throw tooLarge(`a body of ${bodyBytes} bytes`);
  const blockCount = Math.ceil(bodyBytes / blockBytes);
  const headBytes = preambleBytes + envelopeBytes + blockCount * hashBytes;
  return { envelopeBytes, blockCount, bodyBytes, headBytes, containerBytes: headBytes + bodyBytes };
}

export function preambleOf(layout: ContainerLayout): Uint8Array {
  const bytes = Buffer.alloc(preambleBytes);
  bytes.write(magic, 0, 'latin1');
  bytes.writeUInt16BE(formatVersion, 8);
  bytes.writeUInt32BE(layout.envelopeBytes, 12);
  bytes.writeUInt32BE(layout.blockCount, 16);
  bytes.writeBigUInt64BE(BigInt(layout.bodyBytes), 24);
  return bytes;
}

/**
 * Verifies a head: signatures first, then the header, then the leaves against the header. After
 * this `verifyBlock` vouches for every byte of the body. Expiry, scope, base and sequence are for
 * the interpreter to judge: they depend on the server.
 * @param headBytes exactly `parsePreamble(...).headBytes` bytes
 * @throws AssignmentRefused `malformed`, `too-large`, `untrusted`, `damaged`
 */
export function openHead(headBytes: Uint8Array, trust: TrustRoot): AssignmentHead {
  const layout = parsePreamble(headBytes);
  if (headBytes.length !== layout.headBytes) {
    throw malformed(`the head has ${headBytes.length} bytes, not ${layout.headBytes}`);
  }
  const leavesAt = preambleBytes + layout.envelopeBytes;
  const envelope = parseEnvelope(headBytes.subarray(preambleBytes, leavesAt));
  const payload = openEnvelope(envelope, assignmentPayloadType, trust);
  const leaves = headBytes.slice(leavesAt);
  const header = parseHeader(payload);
  checkHeader(header, layout, leaves);
  return { header, envelope, leaves, layout };
}

/** Where a block is in the container. @throws RangeError when there is no such block */
export function blockRange(
  layout: ContainerLayout,
  index: number,
): { offset: number; length: number } {
  if (!Number.isInteger(index) || index < 0 || index >= layout.blockCount) {
    throw new RangeError(`the container has no block ${index}, only ${layout.blockCount}`);
  }
  const start = index * blockBytes;
  return {
    offset: layout.headBytes + start,
    length: Math.min(blockBytes, layout.bodyBytes - start),
  };
}

/** Whether `bytes` are block `index` of this assignment; false for an index it has not. */
export function verifyBlock(head: AssignmentHead, index: number, bytes: Uint8Array): boolean {
  const { layout, leaves } = head;
  if (!Number.isInteger(index) || index < 0 || index >= layout.blockCount) return false;
  if (bytes.length !== blockRange(layout, index).length) return false;
  const leaf = leaves.subarray(index * hashBytes, (index + 1) * hashBytes);
  return timingSafeEqual(leafHash(bytes), leaf);
}

/**
 * What proves a block to somebody who has the signed header only: the hashes beside its way to the
 * root, from the leaf up. @throws RangeError when there is no such block
 */
export function blockProof({ leaves, layout }: AssignmentHead, index: number): Uint8Array[] {
  blockRange(layout, index);
  return inclusionProof(leaves, index);
}

/** As `verifyBlock`, without the leaves: by a proof that anybody may have given. */
export function verifyBlockByProof(
  header: AssignmentHeader,
  index: number,
  bytes: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  const bodyBytes = bodyLength(header);
  const count = Math.ceil(bodyBytes / blockBytes);
  if (!Number.isInteger(index) || index < 0 || index >= count) return false;
  if (bytes.length !== Math.min(blockBytes, bodyBytes - index * blockBytes)) return false;
  return isIncluded(leafHash(bytes), { index, count }, proof, header.bodyRoot);
}

/** Length of commands and data as they stand in the container. */
export function bodyLength(header: AssignmentHeader): number {
  const { contentBytes, storedBytes } = sealedStretch(header);
  return storedBytes + Number(header.commandsBytes + header.dataBytes) - contentBytes;
}

/** What of a body is sealed, from its start: commands and data before sealing, and as stored. */
export function sealedStretch({ encryption, commandsBytes, dataBytes }: AssignmentHeader) {
  if (!encryption) return { contentBytes: 0, storedBytes: 0 };
  const contentBytes = Number(commandsBytes + dataBytes - encryption.clearDataBytes);
  return { contentBytes, storedBytes: sealedLength(contentBytes, blockBytes) };
}

function parseHeader(payload: Uint8Array): AssignmentHeader {
  try {
    return fromBinary(AssignmentHeaderSchema, payload);
  } catch (cause) {
    throw new AssignmentRefused('malformed', 'the signed header cannot be decoded', { cause });
  }
}

function checkHeader(header: AssignmentHeader, layout: ContainerLayout, leaves: Uint8Array): void {
  if (header.assignmentId === '' || header.site === '') {
    throw malformed('the header names no assignment or no site');
  }
  checkShare(header);
  if (header.encryption && header.encryption.clearDataBytes > header.dataBytes) {
    throw malformed('the header says more data in clear than there is');
  }
  if (bodyLength(header) !== layout.bodyBytes) {
    throw malformed('the body has not the length that the header says');
  }
  if (header.commandsBytes > BigInt(limits.commandsBytes)) {
    throw tooLarge(`a command buffer of ${header.commandsBytes} bytes`);
  }
  if (!Buffer.from(header.bodyRoot).equals(merkleRoot(leaves))) {
    throw new AssignmentRefused('damaged', 'the block hashes are not those that were signed');
  }
}

function checkShare(header: AssignmentHeader): void {
  const { part, parts, dataOffset, dataBytes, jobDataBytes } = header;
  if (part < 1 || part > parts || parts > limits.parts) {
    throw malformed(`the header says part ${part} of ${parts}`);
  }
  if (parts > 1 && dataOffset + dataBytes > jobDataBytes) {
    throw malformed('the part has data beyond the end of the data file of its job');
  }
}

function malformed(message: string): AssignmentRefused {
  return new AssignmentRefused('malformed', message);
}

function tooLarge(what: string): AssignmentRefused {
  return new AssignmentRefused('too-large', `${what} is beyond the limit of this format`);
}

/** SHA-256, lower-case hex. */
export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
