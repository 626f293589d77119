import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { expect, test } from '@jest/globals';
import { type Command, CommandSchema, Compression, JobType } from '#libs/contracts/index.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { compressStream } from '#libs/native/zstd.js';
import { restoredBody } from './body.js';
import { limits } from './container.js';
import { leafHash } from './merkle.js';
import { frameMessage } from './message-stream.js';
import { openContainer, streamCommands } from './reader.js';
import { writeContainer } from './writer.js';

const key = signingKeyFromPem(generatePrivateKeyPem());
const header = {
  ...{ assignmentId: 'www-1', runId: 'run', site: 'www', sequence: 1n },
  ...{ type: JobType.PUBLISH, part: 1, parts: 1, diskNeededBytes: 0n },
  ...{ baseTreeDigest: new Uint8Array(32), resultTreeDigest: new Uint8Array(32) },
};
const pathBytes = 1024 ** 2;

/** A mebibyte each. */
async function* deletions(count: number): AsyncGenerator<Uint8Array, void, undefined> {
  const value = { path: 'a'.repeat(pathBytes) };
  const command = create(CommandSchema, { command: { case: 'deleteFile', value } });
  const frame = frameMessage(toBinary(CommandSchema, command));
  for (let made = 0; made < count; made++) yield frame;
}

async function read(commands: AsyncIterable<Command>): Promise<number> {
  let count = 0;
  for await (const _ of commands) count++;
  return count;
}

test('commands that swell beyond the limit are refused, although they are signed', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'espalier-bomb-'));
  try {
    const commandCount = limits.commandsBytes / pathBytes;
    const packed: Uint8Array[] = [];
    for await (const piece of compressStream(deletions(commandCount), 3)) packed.push(piece);
    const bomb = Buffer.concat(packed);
    expect(bomb.length).toBeLessThan(64 * 1024);
    const body = restoredBody({
      ...{ commands: [bomb], commandCount, commandsCompression: Compression.ZSTD },
      ...{ dataBytes: 0, clearBytes: 0, leaves: leafHash(bomb) },
    });
    const path = join(directory, 'container');
    await writeContainer(path, header, body, [key]);
    const head = await openContainer(path, { keys: [key.publicKey], threshold: 1 });
    await expect(read(streamCommands(path, head))).rejects.toMatchObject({ reason: 'too-large' });
  } finally {
    await rm(directory, { recursive: true });
  }
});
