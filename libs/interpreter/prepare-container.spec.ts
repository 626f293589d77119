import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { measureJob } from '#libs/assignment/body.js';
import { DataFile } from '#libs/assignment/data-file.js';
import { newDataKey, type WrappedDataKey } from '#libs/assignment/data-key.js';
import { openContainer } from '#libs/assignment/reader.js';
import { writeContainer } from '#libs/assignment/writer.js';
import { treeDigest } from '#libs/content-store/manifest.js';
import { type Command, CommandSchema, Compression } from '#libs/contracts/index.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { agreementPrivateKey } from '#libs/keys/x25519.js';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import { type ContainerInput, prepareContainer } from './prepare-container.js';
import { file, testTimeMs } from './test-commands.js';
import { TestSite } from './test-site.js';
import { digestOfTree } from './verify.js';

const key = signingKeyFromPem(generatePrivateKeyPem());
const trust = { keys: [key.publicKey], threshold: 1 };
const [parisPem, romePem] = [generatePrivateKeyPem(), generatePrivateKeyPem()];
const paris = { node: 'paris-1', publicKey: signingKeyFromPem(parisPem).publicKey };

let disk: TestSite;
beforeEach(() => {
  disk = new TestSite();
});
afterEach(() => disk.remove());

const contents = Array.from({ length: 12 }, (_, index) => {
  const random = seededRandom(index);
  return Buffer.from(Array.from({ length: 1000 + index * 8_000 }, () => random() * 256));
});
const tree = contents.map((content, index) =>
  file(`file-${String(index).padStart(2, '0')}`, content),
);

/** A job of all the contents, in parts of at most `maxBodyBytes`. @returns the containers */
async function job(
  options: {
    maxBodyBytes: number;
    wrapped?: WrappedDataKey;
    clearBytes?: number;
    firstSequence?: number;
  },
  fields: object = {},
): Promise<string[]> {
  const { maxBodyBytes, wrapped, clearBytes = 0, firstSequence = 1 } = options;
  const dataPath = join(disk.root, `data-${firstSequence}`);
  const data = await DataFile.create(dataPath);
  const commands: Command[] = [];
  for (const [index, content] of contents.entries()) {
    const slice = await data.append({ compression: Compression.NONE, bytes: content });
    const entry = tree[index];
    if (entry?.type !== 'file') continue;
    const { path, mode, digest } = entry;
    const value = {
      ...{ path, mode, mtimeMs: BigInt(testTimeMs), sizeBytes: BigInt(content.length) },
      ...{ digest: Buffer.from(digest, 'hex'), data: slice },
    };
    commands.push(create(CommandSchema, { command: { case: 'putFile', value } }));
  }
  await data.close();
  const sealing = wrapped ? { dataKey: wrapped.dataKey, clearBytes } : {};
  const measuring = { maxBodyBytes, ...sealing };
  const bodies = await measureJob(commands, dataPath, measuring);
  const paths: string[] = [];
  for (const [index, body] of bodies.entries()) {
    const path = join(disk.root, `container-${firstSequence + index}`);
    const header = {
      ...{ site: 'www', runId: 'run-1', sequence: BigInt(firstSequence + index) },
      ...{ assignmentId: `www-${firstSequence + index}`, agentType: 'posix/1' },
      resultTreeDigest: Buffer.from(treeDigest(tree), 'hex'),
      diskNeededBytes: BigInt(contents.reduce((sum, { length }) => sum + length, 0)),
      ...(wrapped ? { encryption: wrapped.encryption } : {}),
      ...fields,
    };
    await writeContainer(path, header, body, [key]);
    paths.push(path);
  }
  return paths;
}

async function take(path: string, input: Partial<ContainerInput> = {}) {
  const head = await openContainer(path, trust);
  const place = { root: disk.root, node: 'paris-1', path, head, trust };
  return prepareContainer({ ...place, ...input }, disk.ports);
}

const byKey = { agreementKey: agreementPrivateKey(parisPem) };

describe('a job in parts', () => {
  test.each([
    ['in order', (paths: string[]) => paths],
    ['backwards', (paths: string[]) => paths.toReversed()],
    ['each twice', (paths: string[]) => paths.flatMap((path) => [path, path])],
  ])('prepares one version when the parts come %s', async (_how, arrange) => {
    const paths = await job({ maxBodyBytes: 40_000 });
    const count = paths.length;
    expect(count).toBeGreaterThan(10);
    const outcomes = [];
    for (const path of arrange(paths)) outcomes.push(await take(path));
    const versions = outcomes.filter(({ kind }) => kind === 'prepared');
    expect(versions.at(-1)).toMatchObject({ prepared: { sequence: count } });
    expect(outcomes.length - versions.length).toBe(
      outcomes.length === count ? count - 1 : 2 * count - 2,
    );
    expect(await digestOfTree(disk.version(count))).toBe(treeDigest(tree));
    expect(disk.names().filter((name) => /^\d+$/.test(name))).toEqual([String(count)]);
  });

  test('keeps the parts it has, whatever becomes of the files they came in', async () => {
    const paths = await job({ maxBodyBytes: 200_000 });
    for (const path of paths) {
      await take(path);
      rmSync(path);
    }
    expect(await digestOfTree(disk.version(paths.length))).toBe(treeDigest(tree));
  });

  test('is refused when a part of another job is among them', async () => {
    const [first = '', second = '', ...others] = await job({ maxBodyBytes: 260_000 });
    expect(others).toHaveLength(1);
    await take(first);
    await take(second);
    rmSync(first);
    rmSync(second);
    const [, , other = ''] = await job({ maxBodyBytes: 260_000 }, { runId: 'run-2' });
    await expect(take(other)).rejects.toThrow('is not part');
    expect(disk.names()).toEqual([]);
  });

  test('gives way to a newer job of the site', async () => {
    const [first = ''] = await job({ maxBodyBytes: 200_000 });
    await take(first);
    const paths = await job({ maxBodyBytes: 200_000, firstSequence: 10 });
    for (const path of paths) await take(path);
    expect(await digestOfTree(disk.version(9 + paths.length))).toBe(treeDigest(tree));
  });
});

describe('an encrypted job', () => {
  test.each([
    [4 * 1024 ** 3, 0],
    [60_000, 0],
    [4 * 1024 ** 3, 100_001],
    [60_000, 100_001],
  ])('is prepared by whom it is for (%d, %d in clear)', async (maxBodyBytes, clearBytes) => {
    const wrapped = newDataKey({ site: 'www', runId: 'run-1' }, [paris]);
    const paths = await job({ maxBodyBytes, wrapped, clearBytes });
    for (const path of paths) await take(path, byKey);
    expect(await digestOfTree(disk.version(paths.length))).toBe(treeDigest(tree));
  });

  test('is nothing to others', async () => {
    const wrapped = newDataKey({ site: 'www', runId: 'run-1' }, [paris]);
    const [path = ''] = await job({ maxBodyBytes: 4 * 1024 ** 3, wrapped });
    await expect(take(path)).rejects.toMatchObject({ reason: 'out-of-scope' });
    await expect(take(path, { ...byKey, node: 'rome-1' })).rejects.toMatchObject({
      reason: 'out-of-scope',
    });
    const agreementKey = agreementPrivateKey(romePem);
    await expect(take(path, { agreementKey })).rejects.toMatchObject({ reason: 'damaged' });
  });

  test('cannot be opened with a key that was wrapped for another run', async () => {
    const wrapped = newDataKey({ site: 'www', runId: 'run-0' }, [paris]);
    const [path = ''] = await job({ maxBodyBytes: 4 * 1024 ** 3, wrapped });
    await expect(take(path, byKey)).rejects.toMatchObject({ reason: 'damaged' });
  });
});
