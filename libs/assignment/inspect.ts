import { open } from 'node:fs/promises';
import { fromBinary } from '@bufbuild/protobuf';
import { AssignmentHeaderSchema } from '#libs/contracts/index.js';
import { type AssignmentHead, parsePreamble, preambleBytes } from './container.js';
import { parseEnvelope } from './envelope.js';
import { AssignmentRefused } from './errors.js';
import { readExactly } from './file-bytes.js';

/**
 * A head whose signatures nobody looked at: to show it to people, never to act on it.
 * @throws AssignmentRefused `malformed`, `too-large`, `damaged`
 */
export async function inspectHead(path: string): Promise<AssignmentHead> {
  const file = await open(path);
  try {
    const layout = parsePreamble(await readExactly(file, 0, preambleBytes));
    const head = await readExactly(file, 0, layout.headBytes);
    const leavesAt = preambleBytes + layout.envelopeBytes;
    const envelope = parseEnvelope(head.subarray(preambleBytes, leavesAt));
    try {
      const header = fromBinary(AssignmentHeaderSchema, envelope.payload);
      return { header, envelope, layout, leaves: head.slice(leavesAt) };
    } catch (cause) {
      throw new AssignmentRefused('malformed', 'the header cannot be decoded', { cause });
    }
  } finally {
    await file.close();
  }
}
