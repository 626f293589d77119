import { AssignmentRefused } from './errors.js';

/** No command is longer: paths are bounded by the file system, data is elsewhere. */
const maxMessageBytes = 16 * 1024 * 1024;
/** Field 1, length-delimited: `repeated Command commands = 1`. */
const commandsTag = 0x0a;

/** One element of the repeated field of a CommandBuffer, as it stands in the buffer. */
export function frameMessage(message: Uint8Array): Uint8Array {
  const prefix = [commandsTag];
  let rest = message.length;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) prefix.push((rest % 128) | 0x80);
  prefix.push(rest);
  return Buffer.concat([Uint8Array.from(prefix), message]);
}

/**
 * Splits the bytes of a CommandBuffer into its commands without holding the whole of it.
 * @throws AssignmentRefused `malformed`, `too-large`
 */
export async function* splitMessages(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = Buffer.concat([rest, chunk]);
    let at = 0;
    for (let frame = frameAt(rest, at); frame; frame = frameAt(rest, at)) {
      if (frame.end > rest.length) break;
      yield rest.subarray(frame.start, frame.end);
      at = frame.end;
    }
    rest = rest.subarray(at);
  }
  if (rest.length > 0) throw malformed('the command buffer ends within a command');
}

/** Where the message at `at` starts and ends; undefined while its prefix is incomplete. */
function frameAt(bytes: Buffer, at: number): { start: number; end: number } | undefined {
  if (at >= bytes.length) return undefined;
  if (bytes[at] !== commandsTag) throw malformed('the command buffer holds something else');
  let length = 0;
  for (let digit = 0; digit < 4; digit++) {
    const byte = bytes[at + 1 + digit];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) * 128 ** digit;
    if (byte >= 0x80) continue;
    if (length > maxMessageBytes) break;
    return { start: at + 2 + digit, end: at + 2 + digit + length };
  }
  throw new AssignmentRefused('too-large', 'a command is too long');
}

function malformed(message: string): AssignmentRefused {
  return new AssignmentRefused('malformed', message);
}
