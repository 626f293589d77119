import { createReadStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { create, fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import {
  type AuditCheckpoint,
  AuditCheckpointSchema,
  type AuditVerdict,
  AuditVerdictSchema,
  DomainError,
} from '#libs/contracts/index.js';
import { chainHash, chainStart } from '#libs/event-log/hash-chain.js';
import { isSoundCheckpoint } from '#libs/keys/audit-checkpoint.js';
import { keyIdOf } from '#libs/keys/ed25519.js';
import type { ApiClient } from '../client/api-client.js';

const format = 'espalier-audit-archive/1';

export class NoArchive extends DomainError {
  override readonly name = 'NoArchive';
  constructor(path: string, reason: string) {
    super(`${path} is no audit archive: ${reason}`, 'espalier audit export FILE writes one');
  }
}

/** The log gives other hashes than those that were signed. */
export class LogNotAsSigned extends DomainError {
  override readonly name = 'LogNotAsSigned';
  constructor() {
    super('the log is not the one that was signed', 'espalier audit verify names the first event');
  }
}

/** One event of an archive: its place, its stored body to the letter, its hash in the chain. */
interface ArchivedEvent {
  readonly sequence: number;
  readonly body: string;
  readonly hash: string;
}

/**
 * Writes the log as lines of JSON: the format, each event, then the signed head of the hash chain.
 * The file appears whole or not at all.
 */
export async function exportAudit(
  client: ApiClient,
  path: string,
): Promise<{ events: number; publicKey: string }> {
  const signed = await client.post('/api/v1/audit/checkpoint', AuditCheckpointSchema);
  const temporary = `${path}.partial`;
  const file = await open(temporary, 'w', 0o600);
  let events = 0;
  let previous: Uint8Array = chainStart;
  try {
    await file.write(`${JSON.stringify({ format })}\n`);
    for await (const event of client.events({ follow: 'false' })) {
      const { sequence, ...body } = event;
      if (BigInt(sequence) > signed.sequence) break;
      const text = JSON.stringify(body);
      previous = chainHash(previous, sequence, text);
      const archived: ArchivedEvent = { sequence, body: text, hash: hex(previous) };
      await file.write(`${JSON.stringify(archived)}\n`);
      events++;
    }
    if (!sameBytes(previous, signed.hash)) throw new LogNotAsSigned();
    const checkpoint = toJson(AuditCheckpointSchema, signed);
    await file.write(`${JSON.stringify({ checkpoint })}\n`);
    await file.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  return { events, publicKey: keyIdOf(signed.publicKey) };
}

/**
 * Checks an archive by itself: every hash up to the signed head. Whether the key is the right one
 * is for the reader to say: the verdict names it.
 * @throws NoArchive
 */
export async function verifyArchive(path: string): Promise<AuditVerdict> {
  let previous: Uint8Array = chainStart;
  let [events, head] = [0, 0];
  let checkpoint: AuditCheckpoint | undefined;
  const lines = createInterface({ input: createReadStream(path) });
  for await (const line of lines) {
    const value = parseLine(path, line);
    if ('format' in value) continue;
    if ('checkpoint' in value) {
      checkpoint = fromJson(AuditCheckpointSchema, value.checkpoint as JsonValue);
      continue;
    }
    const { sequence, body, hash } = value as unknown as ArchivedEvent;
    previous = chainHash(previous, sequence, body);
    if (!(sequence > head) || hex(previous) !== hash) {
      return verdict({ events, bad: sequence, problem: 'its hash does not fit its content' });
    }
    head = sequence;
    events++;
  }
  if (!checkpoint) throw new NoArchive(path, 'it ends without a signed head');
  const sound = head === Number(checkpoint.sequence) && sameBytes(previous, checkpoint.hash);
  if (!sound)
    return verdict({ events, bad: head, problem: 'the events do not give the signed hash' });
  if (!isSoundCheckpoint(checkpoint, [checkpoint.publicKey])) {
    return verdict({ events, bad: head, problem: 'the signature of the head is wrong' });
  }
  return create(AuditVerdictSchema, {
    sound: true,
    events,
    headSequence: BigInt(head),
    headHash: hex(previous),
    keyId: keyIdOf(checkpoint.publicKey),
    checkpoints: 1,
  });
}

function parseLine(path: string, line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Falls through: what is no JSON is no archive either.
  }
  throw new NoArchive(path, 'a line is no JSON object');
}

function verdict({ events, bad, problem }: { events: number; bad: number; problem: string }) {
  const firstBadSequence = BigInt(Number.isInteger(bad) ? bad : 0);
  return create(AuditVerdictSchema, { sound: false, events, firstBadSequence, problem });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
