import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { memoryContentStore } from '#libs/content-store/adapters/memory-store.js';
import { comparePaths, type FileEntry } from '#libs/content-store/manifest.js';
import {
  type Command,
  CommandSchema,
  Compression,
  DataSliceSchema,
} from '#libs/contracts/index.js';
import { diffManifests } from '#libs/delta/diff.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { probeNative } from '#libs/native/capabilities.js';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import { bodiesOf, measureBody, measureJob } from './body.js';
import { openBody } from './body-source.js';
import { compileAssignment } from './compile.js';
import { newDataKey } from './data-key.js';
import { openJob, type Part } from './job.js';
import { openContainer, readCommands } from './reader.js';
import { type SealingPolicy, travelsInClear } from './sealing.js';
import { writeContainer } from './writer.js';

const key = signingKeyFromPem(generatePrivateKeyPem());
const trust = { keys: [key.publicKey], threshold: 1 };
const { dataKey, encryption } = newDataKey({ site: 'www', runId: 'run-1' }, [
  { node: 'a', publicKey: key.publicKey },
]);
const fields = { assignmentId: 'www-1', site: 'www', runId: 'run-1', encryption };

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'espalier-sealing-'));
});
afterAll(() => rm(directory, { recursive: true }));

function noise(length: number, seed: number): Buffer {
  const random = seededRandom(seed);
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
}

describe('a body that is sealed in part', () => {
  const data = noise(300_000, 1);
  const commands: Command[] = ['a', 'b'].map((path) =>
    create(CommandSchema, { command: { case: 'deleteFile', value: { path } } }),
  );

  async function written(dataBytes: number, clearBytes: number, maxBodyBytes: number) {
    const dataPath = join(directory, 'data');
    await writeFile(dataPath, data.subarray(0, dataBytes));
    const parts: Part[] = [];
    for (const body of await measureJob(commands, dataPath, {
      dataKey,
      clearBytes,
      maxBodyBytes,
    })) {
      const path = join(directory, `part-${parts.length}`);
      const sequence = BigInt(parts.length + 1);
      await writeContainer(path, { ...fields, sequence }, body, [key]);
      parts.push({ path, head: await openContainer(path, trust), dataKey });
    }
    return parts;
  }

  test('is read anywhere, wherever what is clear begins, in one part or many', async () => {
    const sizes = fc.tuple(
      fc.nat(data.length),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.constantFrom(4 * 1024 ** 3, 65_536, 70_001, 131_072),
      fc.array(fc.tuple(fc.nat(data.length), fc.nat(data.length)), { maxLength: 5 }),
    );
    await fc.assert(
      fc.asyncProperty(sizes, async ([dataBytes, share, maxBodyBytes, reads]) => {
        const clearBytes = Math.round(dataBytes * share);
        const parts = await written(dataBytes, clearBytes, maxBodyBytes);
        const clear = parts.map(({ head }) => head.header.encryption?.clearDataBytes ?? 0n);
        expect(Number(clear.reduce((sum, bytes) => sum + bytes, 0n))).toBe(clearBytes);
        const job = await openJob(parts);
        const read: Command[] = [];
        for await (const command of job.commands()) read.push(command);
        expect(read).toEqual(commands);
        for (const [at, most] of [[0, dataBytes] as const, ...reads]) {
          const offset = Math.min(at, dataBytes);
          const length = Math.min(most, dataBytes - offset);
          const place = { offset: BigInt(offset), length: BigInt(length) };
          const slice = create(DataSliceSchema, { ...place, compression: Compression.NONE });
          const bytes = await job.data.read(slice, length);
          expect(Buffer.compare(bytes, data.subarray(offset, offset + length))).toBe(0);
        }
        await job.data.close();
      }),
      { numRuns: 60 },
    );
  });

  test('has what is clear as it is, at its end, and nothing else', async () => {
    const [part] = await written(200_000, 90_000, 4 * 1024 ** 3);
    if (!part) throw new Error('there should be one part');
    const container = await readFile(part.path);
    expect(container.subarray(-90_000).equals(data.subarray(110_000, 200_000))).toBe(true);
    for (let at = 0; at < 110_000; at += 1000) {
      expect(container.includes(data.subarray(at, at + 16))).toBe(false);
    }
  });

  test('is refused where a byte of it is another, sealed or clear', async () => {
    const [part] = await written(200_000, 90_000, 4 * 1024 ** 3);
    if (!part) throw new Error('there should be one part');
    const { path, head } = part;
    const container = await readFile(path);
    for (const at of [head.layout.headBytes, container.length - 89_999, container.length - 1]) {
      const forged = Buffer.from(container);
      forged[at] = (forged[at] as number) ^ 1;
      await writeFile(path, forged);
      const body = await openBody(path, head, { dataKey, verify: true });
      const bodyBytes = Number(head.header.commandsBytes + head.header.dataBytes);
      await expect(body.read(0, bodyBytes)).rejects.toMatchObject({ reason: 'damaged' });
      await body.close();
    }
  });

  test('is refused when its header says more in clear than there is', async () => {
    const body = await measureBody(commands, undefined, { dataKey });
    const path = join(directory, 'lying');
    await writeContainer(path, fields, { ...body, clearBytes: 1 }, [key]);
    await expect(openContainer(path, trust)).rejects.toMatchObject({ reason: 'malformed' });
  });
});

describe('file types', () => {
  const capabilities = probeNative();
  const store = memoryContentStore();
  afterAll(() => store.close());

  async function file(path: string, bytes: Uint8Array): Promise<FileEntry> {
    const digest = await store.write(bytes);
    return { type: 'file', path, mode: 0o644, mtimeMs: 1, sizeBytes: bytes.length, digest };
  }

  /** The container of a job that makes `wanted` from `base`, and its commands. */
  async function published(base: FileEntry[], wanted: FileEntry[], sealing: SealingPolicy) {
    const dataPath = join(directory, 'compiled');
    const byPath = (a: FileEntry, b: FileEntry) => comparePaths(a.path, b.path);
    const difference = diffManifests(base.sort(byPath), wanted.sort(byPath));
    const policy = { neverCompress: ['.bin'], capabilities, largestInMemoryBytes: 1e6, sealing };
    const { clearBytes, ...compiled } = await compileAssignment(
      difference,
      store,
      policy,
      dataPath,
    );
    const plain = await measureBody(compiled.commands, dataPath, { clearBytes });
    const [body] = await bodiesOf(plain, { dataKey });
    if (!body) throw new Error('there should be one part');
    const path = join(directory, 'sealed');
    await writeContainer(path, fields, body, [key]);
    const head = await openContainer(path, trust);
    const commands = await readCommands(path, head, dataKey);
    return { commands, head, container: await readFile(path) };
  }

  test.each<[string, Partial<SealingPolicy>, boolean]>([
    ['a/photo.jpg', { neverEncrypt: ['.jpg'] }, true],
    ['a/PHOTO.JPG', { neverEncrypt: ['.jpg'] }, true],
    ['a/photo.png', { neverEncrypt: ['.jpg'] }, false],
    ['README', { neverEncrypt: ['.jpg'] }, false],
    ['a/server.key', { encryptOnly: ['.key'] }, false],
    ['a/server.crt', { encryptOnly: ['.key'] }, true],
    ['README', { encryptOnly: ['.key'] }, true],
    ['a/photo.jpg', {}, false],
  ])('%s with %j travels in clear: %s', (path, policy, isClear) => {
    expect(travelsInClear({ encryptOnly: [], neverEncrypt: [], ...policy }, path)).toBe(isClear);
  });

  test('decide what of a job can be read on its way; names never can', async () => {
    const [secret, open] = [noise(5000, 2), noise(5000, 3)];
    const policy = { encryptOnly: [], neverEncrypt: ['.bin'] };
    const wanted = [await file('plan.key', secret), await file('logo.bin', open)];
    const { container, head } = await published([], wanted, policy);
    expect(container.includes(open)).toBe(true);
    for (let at = 0; at < secret.length; at += 100) {
      expect(container.includes(secret.subarray(at, at + 16))).toBe(false);
    }
    expect(container.includes('plan') || container.includes('logo')).toBe(false);
    expect(head.header.encryption?.clearDataBytes).toBe(BigInt(open.length));
  });

  test('content at paths of both kinds travels in both ways: each type has its own', async () => {
    const same = noise(5000, 4);
    const policy = { encryptOnly: ['.key'], neverEncrypt: [] };
    const wanted = [await file('a.key', same), await file('a.bin', same)];
    const { head } = await published([], wanted, policy);
    expect(head.header.encryption?.clearDataBytes).toBe(5000n);
    expect(head.header.dataBytes).toBeGreaterThanOrEqual(10_000n);
  });

  test('a file in clear is not told by a sealed one that it resembles', async () => {
    const old = Buffer.from(noise(20_000, 5).toString('hex'));
    const edited = Buffer.concat([old.subarray(0, 9000), Buffer.from('new'), old.subarray(9000)]);
    const base = [await file('old.key', old)];
    const kindOf = async (path: string) => {
      const wanted = [await file(path, edited)];
      const policy = { encryptOnly: ['.key'], neverEncrypt: [] };
      const { commands } = await published(base, wanted, policy);
      return commands.map(({ command }) => command.case);
    };
    expect(await kindOf('new.key')).toContain('patchFile');
    expect(await kindOf('new.txt')).toContain('putFile');
  });
});
