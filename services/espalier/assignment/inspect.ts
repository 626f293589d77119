import { fromBinary, toJson } from '@bufbuild/protobuf';
import { assignmentPayloadType } from '#libs/assignment/container.js';
import { inspectHead } from '#libs/assignment/inspect.js';
import { streamCommands } from '#libs/assignment/reader.js';
import {
  type AssignmentHeader,
  AssignmentHeaderSchema,
  bodyEncryption,
  CommandSchema,
  DomainError,
} from '#libs/contracts/index.js';

export class NotAnAssignment extends DomainError {
  override readonly name = 'NotAnAssignment';
}

/** What a container says of itself, for people to read; none of it is verified. */
export async function inspectContainer(
  path: string,
  withCommands: boolean,
): Promise<Record<string, unknown>> {
  const head = await inspectHead(path);
  const { envelope, layout, header } = head;
  if (envelope.payloadType !== assignmentPayloadType) {
    throw new NotAnAssignment(
      `${path} holds ${envelope.payloadType}`,
      'give the file of an assignment',
    );
  }
  const { encryption, ...plain } = toJson(
    AssignmentHeaderSchema,
    fromBinary(AssignmentHeaderSchema, envelope.payload),
  ) as Record<string, unknown>;
  return {
    file: path,
    ...plain,
    // Digests are hex everywhere else.
    baseTreeDigest: hex(header.baseTreeDigest),
    resultTreeDigest: hex(header.resultTreeDigest),
    commandsDigest: hex(header.commandsDigest),
    bodyRoot: hex(header.bodyRoot),
    encryption: encryptionOf(header),
    layout,
    signedBy: envelope.signatures.map(({ keyId }) => keyId),
    verified: false,
    ...(encryption ? {} : { commandKinds: await kinds(path, head) }),
    ...(withCommands && !encryption ? { commands: await listed(path, head) } : {}),
  };
}

function encryptionOf({ encryption, dataBytes }: AssignmentHeader) {
  if (!encryption) return 'none';
  const servers = encryption.keys.map(({ node }) => node);
  const { clearDataBytes } = encryption;
  return {
    ...{ algorithm: bodyEncryption, servers },
    ...{ sealedDataBytes: String(dataBytes - clearDataBytes) },
    ...{ clearDataBytes: String(clearDataBytes) },
  };
}

type Head = Awaited<ReturnType<typeof inspectHead>>;

async function kinds(path: string, head: Head): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for await (const { command } of streamCommands(path, head)) {
    const kind = command.case ?? 'unknown';
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

async function listed(path: string, head: Head): Promise<unknown[]> {
  const commands: unknown[] = [];
  for await (const command of streamCommands(path, head)) {
    commands.push(toJson(CommandSchema, command));
  }
  return commands;
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
