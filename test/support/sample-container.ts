import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { writeAssignment } from '#libs/assignment/writer.js';
import { CommandSchema } from '#libs/contracts/index.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { type Reader, readers } from './hostile-bytes.js';
import { frameReaders, signedHeaderReader } from './hostile-frames.js';

/** All readers, with a small container made for them. */
export async function sampleReaders(): Promise<Reader[]> {
  const directory = await mkdtemp(join(tmpdir(), 'espalier-fuzz-'));
  try {
    const key = signingKeyFromPem(generatePrivateKeyPem());
    const path = join(directory, 'container');
    const header = { assignmentId: 'www-1', site: 'www', sequence: 1n };
    const commands = [
      create(CommandSchema, { command: { case: 'deleteFile', value: { path: 'a' } } }),
    ];
    const data = [Buffer.from('content of a file')];
    await writeAssignment({ path, header, commands, data, keys: [key] });
    const container = await readFile(path);
    return [
      ...readers(container, key),
      signedHeaderReader(container, key),
      ...(await frameReaders()),
    ];
  } finally {
    await rm(directory, { recursive: true });
  }
}
