import type { AssignmentHeader, Command } from '#libs/contracts/host.js';
import { concatenated, openBody, type Stretch, windowOf } from './body-source.js';
import type { AssignmentHead } from './container.js';
import { AssignmentRefused } from './errors.js';
import { type AssignmentData, dataIn, streamCommands } from './reader.js';

/** One container of a job. */
export interface Part {
  readonly path: string;
  readonly head: AssignmentHead;
  /** For a sealed body. */
  readonly dataKey?: Uint8Array | undefined;
}

/** A whole job, in one part or in many. */
export interface OpenJob {
  /** The job's: what it says of commands and data is of all parts, its sequence the version's. */
  readonly header: AssignmentHeader;
  commands(): AsyncIterable<Command>;
  readonly data: AssignmentData;
}

/** The sequence of the version that a part helps to prepare: that of the last part. */
export function versionSequence({ sequence, part, parts }: AssignmentHeader): bigint {
  return sequence + BigInt(parts - part);
}

/**
 * Puts the parts of a job together; close its data when done.
 * @param parts all of them, in any order
 * @throws AssignmentRefused `malformed` for parts that do not belong together
 */
export async function openJob(parts: readonly Part[]): Promise<OpenJob> {
  const ordered = [...parts].sort((a, b) => a.head.header.part - b.head.header.part);
  const header = jobHeader(ordered.map(({ head }) => head.header));
  const stretches: Stretch[] = [];
  for (const { path, head, dataKey } of ordered) {
    const source = windowOf(
      await openBody(path, head, { dataKey }),
      Number(head.header.commandsBytes),
    );
    stretches.push({ source, length: Number(head.header.dataBytes) });
  }
  return {
    header,
    commands: () => commandsOf(ordered),
    data: dataIn(concatenated(stretches), Number(header.dataBytes)),
  };
}

/**
 * What the parts say together. They were signed one by one: each must name the same job.
 * @param headers in the order of parts
 * @throws AssignmentRefused `malformed`
 */
export function jobHeader(headers: readonly AssignmentHeader[]): AssignmentHeader {
  const last = headers.at(-1);
  if (!last) throw malformed('there are no parts');
  if (headers.length !== last.parts) {
    throw malformed(`there are ${headers.length} parts, not ${last.parts}`);
  }
  if (last.parts === 1) return last;
  let dataOffset = 0n;
  let commandCount = 0n;
  for (const [index, header] of headers.entries()) {
    if (header.part !== index + 1 || identityOf(header) !== identityOf(last)) {
      throw malformed(`${header.assignmentId} is not part ${index + 1} of ${last.assignmentId}`);
    }
    if (header.dataOffset !== dataOffset) {
      throw malformed(`the data of ${header.assignmentId} does not follow the part before`);
    }
    dataOffset += header.dataBytes;
    commandCount += header.commandCount;
  }
  if (dataOffset !== last.jobDataBytes || commandCount !== last.jobCommandCount) {
    throw malformed('the parts together have not what the job has');
  }
  return { ...last, part: 1, parts: 1, commandCount, dataBytes: dataOffset };
}

/** Equal for the parts of one job and for nothing else. */
function identityOf(header: AssignmentHeader): string {
  const { site, runId, type, parts, agentType } = header;
  const { baseTreeDigest, resultTreeDigest, scope } = header;
  const numbers = [
    versionSequence(header),
    header.jobDataBytes,
    header.jobCommandCount,
    header.diskNeededBytes,
  ];
  const digests = [baseTreeDigest, resultTreeDigest].map((digest) =>
    Buffer.from(digest).toString('hex'),
  );
  return JSON.stringify([
    ...[site, runId, type, parts, agentType, scope?.nodes ?? []],
    ...[numbers.map(String), digests],
  ]);
}

async function* commandsOf(parts: readonly Part[]): AsyncGenerator<Command, void, undefined> {
  for (const { path, head, dataKey } of parts) yield* streamCommands(path, head, dataKey);
}

function malformed(message: string): AssignmentRefused {
  return new AssignmentRefused('malformed', message);
}
