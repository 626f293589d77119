import { createHash } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  type AssignmentHeader,
  AssignmentHeaderSchema,
  type Command,
  Compression,
  JobType,
} from '#libs/contracts/index.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import { type Body, bodyChunks, measureBody } from './body.js';
import { assignmentPayloadType, layoutOf, preambleOf } from './container.js';
import { encodeEnvelope, signEnvelope } from './envelope.js';
import { merkleRoot } from './merkle.js';

/** What the caller says of an assignment; the writer adds counts, lengths and digests. */
export type HeaderFields = Omit<
  Exclude<MessageInitShape<typeof AssignmentHeaderSchema>, AssignmentHeader>,
  | '$typeName'
  | '$unknown'
  | 'commandCount'
  | 'commandsBytes'
  | 'commandsDigest'
  | 'commandsCompression'
  | 'dataBytes'
  | 'bodyRoot'
  | 'dataOffset'
  | 'jobDataBytes'
  | 'jobCommandCount'
>;

export interface AssignmentParts {
  /** Where the container goes; an existing file is replaced. */
  readonly path: string;
  readonly header: HeaderFields;
  readonly commands: Iterable<Command>;
  /** The data file: its path, or its bytes in pieces; none for an assignment without data. */
  readonly data?: string | AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  readonly keys: readonly SigningKey[];
}

export interface WrittenAssignment {
  /** SHA-256 (hex) of the whole container. */
  readonly containerDigest: string;
  readonly containerBytes: number;
  readonly header: AssignmentHeader;
}

/**
 * Writes a signed container; the data passes through in pieces.
 * @throws AssignmentRefused `too-large`
 */
export async function writeAssignment(parts: AssignmentParts): Promise<WrittenAssignment> {
  const { path, header, commands, data, keys } = parts;
  if (data === undefined || typeof data === 'string') {
    return writeContainer(path, header, await measureBody(commands, data), keys);
  }
  const dataPath = `${path}.data`;
  try {
    await write(dataPath, data);
    return await writeContainer(path, header, await measureBody(commands, dataPath), keys);
  } finally {
    await rm(dataPath, { force: true });
  }
}

/** As `writeAssignment`, for a body that was measured before. A sealed body needs `encryption`. */
export async function writeContainer(
  path: string,
  fields: HeaderFields,
  body: Body,
  keys: readonly SigningKey[],
): Promise<WrittenAssignment> {
  const header = headerOf(fields, body);
  if ((header.encryption === undefined) !== (body.dataKey === undefined)) {
    throw new Error('a sealed body needs wrapped keys, and no other body has any');
  }
  const payload = toBinary(AssignmentHeaderSchema, header);
  const envelope = encodeEnvelope(signEnvelope(assignmentPayloadType, payload, keys));
  const layout = layoutOf(envelope.length, body.bodyBytes);
  const hash = createHash('sha256');
  async function* content() {
    const head = [preambleOf(layout), envelope, body.leaves];
    for await (const chunk of concatenated(head, bodyChunks(body))) {
      hash.update(chunk);
      yield chunk;
    }
  }
  const written = await write(path, content());
  if (written !== layout.containerBytes) throw new Error(`${body.dataPath} changed while in use`);
  return { containerDigest: hash.digest('hex'), containerBytes: written, header };
}

/** What every switch needs to say. */
export interface SwitchFields {
  readonly assignmentId: string;
  readonly runId: string;
  readonly site: string;
  readonly sequence: bigint;
  /** The sequence of the assignment whose prepared version goes live. */
  readonly switchToSequence: bigint;
  /** By the server's clock; 0: on receipt. */
  readonly switchAtMs: bigint;
  readonly resultTreeDigest: Uint8Array;
  readonly nodes: readonly string[];
  readonly agentType: string;
  readonly issuedAtMs: bigint;
  readonly expiresAtMs: bigint;
}

/** The header of a JOB_TYPE_SWITCH assignment, which has no commands and no data. */
export function switchAssignment(fields: SwitchFields): HeaderFields {
  const { nodes, ...rest } = fields;
  return { ...rest, type: JobType.SWITCH, scope: { nodes: [...nodes] } };
}

function headerOf(fields: HeaderFields, body: Body): AssignmentHeader {
  const { part, parts, dataOffset, jobDataBytes, jobCommandCount } = body.share;
  const { encryption } = fields;
  const clearDataBytes = BigInt(body.clearBytes);
  const ofParts = {
    dataOffset: BigInt(dataOffset),
    jobDataBytes: BigInt(jobDataBytes),
    jobCommandCount: BigInt(jobCommandCount),
  };
  return create(AssignmentHeaderSchema, {
    ...fields,
    part,
    parts,
    ...(parts > 1 ? ofParts : {}),
    ...(encryption ? { encryption: { ...encryption, clearDataBytes } } : {}),
    commandCount: BigInt(body.commandCount),
    commandsBytes: BigInt(body.commandsBytes),
    commandsDigest: body.commandsDigest,
    // Unspecified for what is stored as it is: the header then is what older readers know.
    commandsCompression:
      body.commandsCompression === Compression.ZSTD ? Compression.ZSTD : Compression.UNSPECIFIED,
    dataBytes: BigInt(body.dataBytes),
    bodyRoot: merkleRoot(body.leaves),
  });
}

async function* concatenated(first: Iterable<Uint8Array>, then: AsyncIterable<Uint8Array>) {
  yield* first;
  yield* then;
}

/** @returns the number of bytes */
async function write(
  path: string,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<number> {
  const file = await open(path, 'w');
  try {
    let bytes = 0;
    for await (const chunk of content) {
      await writeAll(file, chunk);
      bytes += chunk.length;
    }
    return bytes;
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) {
    at += (await file.write(chunk, at)).bytesWritten;
  }
}
