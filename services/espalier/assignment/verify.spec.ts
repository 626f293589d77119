import { generateKeyPairSync } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { sha256Hex } from '#libs/assignment/container.js';
import { writeRootFile } from '#libs/assignment/root-document.js';
import { writeAssignment } from '#libs/assignment/writer.js';
import { treeDigest } from '#libs/content-store/manifest.js';
import { CommandSchema, Compression } from '#libs/contracts/index.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { dryRunContainer } from './dry-run.js';
import { inspectContainer } from './inspect.js';
import { readTrust, UnreadableTrust } from './read-trust.js';
import { verifyContainer, WrongSlice } from './verify.js';

const pem = generatePrivateKeyPem();
const key = signingKeyFromPem(pem);
const content = Buffer.from('hello');
let directory: string;
let file: string;
let keyFile: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'espalier-inspect-'));
  file = join(directory, 'www-1');
  keyFile = join(directory, 'key.pem');
  await writeFile(keyFile, pem);
  await write(sha256Hex(content));
});
afterEach(() => rm(directory, { recursive: true }));

async function write(digest: string, fields: object = {}): Promise<void> {
  const value = {
    ...{ path: 'a', mode: 0o644, sizeBytes: 5n, digest: Buffer.from(digest, 'hex') },
    data: { offset: 0n, length: 5n, compression: Compression.NONE },
  };
  const commands = [create(CommandSchema, { command: { case: 'putFile', value } })];
  const header = { assignmentId: 'www-1', site: 'www', sequence: 1n, ...fields };
  await writeAssignment({ path: file, header, commands, data: [content], keys: [key] });
}

test('a container is inspected without any key', async () => {
  expect(await inspectContainer(file, true)).toMatchObject({
    ...{ assignmentId: 'www-1', site: 'www', encryption: 'none', verified: false },
    ...{ signedBy: [key.keyId], commandKinds: { putFile: 1 } },
    commands: [{ putFile: { path: 'a' } }],
  });
});

test('a sound container is verified to the content of its files', async () => {
  const trust = await readTrust([keyFile], 1);
  expect(await verifyContainer(file, trust)).toMatchObject({ blocks: 1, commands: 1, contents: 1 });
  const document = { version: 1, expiresAtMs: 9, roots: trust, assignments: trust };
  const root = join(directory, 'root.json');
  await writeFile(root, writeRootFile(document, [key]));
  expect(await readTrust([root], 1)).toEqual(trust);
});

test('what an agent would do with it is said, and nothing is written', async () => {
  const root = join(directory, 'agent');
  await mkdir(root);
  const entry = { type: 'file', path: 'a', mode: 0o644, sizeBytes: 5, mtimeMs: 0 } as const;
  const result = treeDigest([{ ...entry, digest: sha256Hex(content) }]);
  const fields = { part: 1, parts: 1, agentType: 'posix/1', diskNeededBytes: 10_000n };
  const resultTreeDigest = Buffer.from(result, 'hex');
  await write(sha256Hex(content), { ...fields, resultTreeDigest });
  expect(await dryRunContainer(file, await readTrust([keyFile], 1), root)).toEqual({
    lines: ['write "a" 0644 5 B from the assignment'],
    ...{ filesWritten: 1, filesShared: 0, bytesWritten: 5 },
  });
  expect(await readdir(root)).toEqual([]);
  await write(sha256Hex(content), fields);
  const refused = dryRunContainer(file, await readTrust([keyFile], 1), root);
  await expect(refused).rejects.toMatchObject({ name: 'WrongResult' });
});

test('a damaged, untrusted or dishonest container is not sound', async () => {
  const other = join(directory, 'other.pem');
  await writeFile(other, generatePrivateKeyPem());
  const stranger = verifyContainer(file, await readTrust([other], 1));
  await expect(stranger).rejects.toMatchObject({ reason: 'untrusted' });
  const trust = await readTrust([keyFile, other], 2);
  await expect(verifyContainer(file, trust)).rejects.toMatchObject({ reason: 'untrusted' });
  const bytes = await readFile(file);
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
  await writeFile(file, bytes);
  const damaged = verifyContainer(file, await readTrust([keyFile], 1));
  await expect(damaged).rejects.toMatchObject({ reason: 'damaged' });
  await write(sha256Hex(Buffer.from('other')));
  const dishonest = verifyContainer(file, await readTrust([keyFile], 1));
  await expect(dishonest).rejects.toThrow(WrongSlice);
});

test('what is no key is not trusted', async () => {
  await expect(readTrust([file], 1)).rejects.toThrow(UnreadableTrust);
  const { publicKey } = generateKeyPairSync('x25519');
  const wrong = join(directory, 'x25519.pem');
  await writeFile(wrong, publicKey.export({ format: 'pem', type: 'spki' }));
  await expect(verifyContainer(file, await readTrust([wrong], 1))).rejects.toThrow('Ed25519');
});
