import { createHash } from 'node:crypto';
import type { AssignmentHead } from '#libs/assignment/container.js';
import { openContainer, openData, streamCommands, verifyBody } from '#libs/assignment/reader.js';
import type { Command, DataSlice } from '#libs/contracts/index.js';
import { DomainError } from '#libs/contracts/index.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';

/** Thrown for content that is not what its command says: the builder was wrong. */
export class WrongSlice extends DomainError {
  override readonly name = 'WrongSlice';
}

export interface VerifiedContainer {
  readonly assignment: string;
  readonly signers: number;
  readonly blocks: number;
  readonly bytes: number;
  readonly commands: number;
  readonly contents: number;
  readonly commandsNote: string;
}

/**
 * Checks a container from its signatures to the content of each new file. What is encrypted, or in
 * another part of the job, is checked by block only.
 * @throws AssignmentRefused, WrongSlice
 */
export async function verifyContainer(path: string, trust: TrustRoot): Promise<VerifiedContainer> {
  const head = await openContainer(path, trust);
  await verifyBody(path, head);
  const { header, layout, envelope } = head;
  const isReadable = header.encryption === undefined && header.parts === 1;
  const { commands, contents } = isReadable
    ? await verifyCommands(path, head)
    : { commands: Number(header.commandCount), contents: 0 };
  const why = header.encryption ? 'are encrypted' : 'belong to a job in parts';
  return {
    assignment: header.assignmentId,
    signers: envelope.signatures.length,
    blocks: layout.blockCount,
    bytes: layout.containerBytes,
    commands,
    contents,
    commandsNote: isReadable
      ? `${commands} commands, content of ${contents} files`
      : `${commands} commands that ${why}`,
  };
}

async function verifyCommands(path: string, head: AssignmentHead) {
  const data = await openData(path, head);
  let commands = 0;
  let contents = 0;
  try {
    for await (const { command } of streamCommands(path, head)) {
      commands++;
      if (command.case !== 'putFile') continue;
      await verifyContent(command.value, data);
      contents++;
    }
  } finally {
    await data.close();
  }
  return { commands, contents };
}

type PutFile = Extract<Command['command'], { case: 'putFile' }>['value'];

async function verifyContent(
  { path, sizeBytes, digest, data: slice }: PutFile,
  data: { stream(slice: DataSlice, maxBytes: number): AsyncIterable<Uint8Array> },
): Promise<void> {
  const hash = createHash('sha256');
  if (slice && sizeBytes > 0n) {
    for await (const bytes of data.stream(slice, Number(sizeBytes))) hash.update(bytes);
  }
  if (hash.digest().equals(digest)) return;
  throw new WrongSlice(`the content of ${path} is not what its command says`, 'build it again');
}
