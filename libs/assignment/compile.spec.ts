import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { memoryContentStore } from '#libs/content-store/adapters/memory-store.js';
import {
  comparePaths,
  type Manifest,
  type TreeEntry,
  treeDigest,
} from '#libs/content-store/manifest.js';
import { JobType } from '#libs/contracts/index.js';
import { diffManifests } from '#libs/delta/diff.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { probeNative } from '#libs/native/capabilities.js';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import { TreeModel } from '#libs/testkit/tree-model.js';
import { compileAssignment } from './compile.js';
import { defaultLargestInMemoryBytes, type EncodingPolicy } from './encoding-policy.js';
import { compressedFormats } from './never-compress.js';
import { openContainer, openData, readCommands } from './reader.js';
import { writeAssignment } from './writer.js';

const key = signingKeyFromPem(generatePrivateKeyPem());
const trust = { keys: [key.publicKey], threshold: 1 };
const capabilities = probeNative();
const policy: EncodingPolicy = {
  neverCompress: compressedFormats,
  capabilities,
  largestInMemoryBytes: defaultLargestInMemoryBytes,
};

const store = memoryContentStore();
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'espalier-compile-'));
});
afterAll(async () => {
  await store.close();
  await rm(directory, { recursive: true });
});

async function file(path: string, content: Uint8Array | string, mtimeMs = 1000, mode = 0o644) {
  const bytes = Buffer.from(content as string);
  const digest = await store.write(bytes);
  return { type: 'file', path, mode, mtimeMs, sizeBytes: bytes.length, digest } as const;
}
const folder = (path: string, mode = 0o755) => ({ type: 'directory', path, mode }) as const;
const link = (path: string, target: string) => ({ type: 'symlink', path, target }) as const;
const tree = (...entries: TreeEntry[]): Manifest =>
  [...entries].sort((a, b) => comparePaths(a.path, b.path));

let containers = 0;

/** Compiles, writes, reads and applies; gives the commands by kind and the length of the data. */
async function publish(base: Manifest, wanted: Manifest, by = policy) {
  const path = join(directory, `container-${containers++}`);
  const difference = diffManifests(base, wanted);
  const compiled = await compileAssignment(difference, store, by, `${path}.data`);
  const header = {
    ...{ assignmentId: 'www-1', runId: 'run-1', site: 'www', sequence: 1n },
    ...{ type: JobType.PUBLISH, part: 1, parts: 1 },
  };
  const { commands } = compiled;
  await writeAssignment({ path, header, commands, data: `${path}.data`, keys: [key] });
  const head = await openContainer(path, trust);
  expect(Number(head.header.dataBytes)).toBe(compiled.dataBytes);
  const data = await openData(path, head);
  const model = new TreeModel(base, data, store);
  for (const command of await readCommands(path, head)) await model.apply(command);
  await data.close();
  expect(model.manifest()).toEqual(wanted);
  expect(treeDigest(model.manifest())).toBe(treeDigest(wanted));
  const kinds = commands.map(({ command }) => command.case);
  return { kinds, dataBytes: compiled.dataBytes, commands };
}

const lines = (count: number, seed: number) => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => `line ${random()}\n`).join('');
};

describe('a compiled assignment', () => {
  test('makes a tree from nothing', async () => {
    const wanted = tree(
      folder('a'),
      folder('a/b', 0o700),
      await file('a/b/c', 'x'),
      link('l', 'a'),
    );
    const { kinds } = await publish([], wanted);
    expect(kinds).toEqual(['makeDirectory', 'makeDirectory', 'putFile', 'makeSymlink']);
  });

  test('has no commands when nothing differs', async () => {
    const same = tree(folder('a'), await file('a/b', 'x'));
    expect(await publish(same, same)).toMatchObject({ kinds: [], dataBytes: 0 });
  });

  test('sends neither what is renamed or copied nor what has other modes and times', async () => {
    const base = tree(await file('old', 'moved'), await file('kept', 'kept'), folder('d'));
    const wanted = tree(
      await file('new', 'moved', 5),
      await file('kept', 'kept', 77, 0o600),
      await file('copy', 'kept'),
      folder('d', 0o711),
    );
    const { kinds, dataBytes } = await publish(base, wanted);
    expect(dataBytes).toBe(0);
    expect(kinds).toEqual([
      ...['deleteFile', 'copyFile', 'copyFile', 'setMode', 'setMode', 'setTimes'],
    ]);
  });

  test('replaces files by directories, directories by links and links by files', async () => {
    const base = tree(
      ...[folder('d'), await file('d/in', 'in'), folder('d/e'), link('l', 'f')],
      ...[await file('f', 'f'), await file('g', 'g')],
    );
    const wanted = tree(
      ...[link('d', 'f'), await file('l', 'new'), folder('f'), folder('f/h'), link('g', 'l')],
      await file('f/h/in', 'in'),
    );
    await publish(base, wanted);
    await publish(wanted, base);
  });

  test('stores content that is new in several places once', async () => {
    const content = lines(500, 1);
    const one = await publish([], tree(await file('a', content)));
    const many = ['a', 'b', 'c'].map((path) => file(path, content));
    const three = await publish([], tree(...(await Promise.all(many))));
    expect(three.dataBytes).toBe(one.dataBytes);
  });

  test('compresses what can be compressed, except what is already', async () => {
    const content = lines(2000, 2);
    const text = await publish([], tree(await file('a.txt', content)));
    expect(text.dataBytes).toBeLessThan(content.length / 2);
    const image = await publish([], tree(await file('a.PNG', content)));
    expect(image.dataBytes).toBe(content.length);
    const none = { ...policy, capabilities: { zstd: 'none', zstdPrefix: false } } as const;
    expect((await publish([], tree(await file('a.txt', content)), none)).dataBytes).toBe(
      content.length,
    );
  });

  test('streams a file that is too large for memory', async () => {
    const small = { ...policy, largestInMemoryBytes: 1000 };
    const content = lines(100_000, 4);
    const wanted = tree(await file('a.txt', content), await file('b.zip', content));
    const { kinds, dataBytes } = await publish(tree(), wanted, small);
    expect(kinds).toEqual(['putFile', 'putFile']);
    expect(dataBytes).toBeLessThan(content.length);
  });

  test('fails when the store has not some content', async () => {
    const lost = { ...(await file('a', 'x')), digest: '0'.repeat(64) };
    await expect(publish([], [lost])).rejects.toThrow('no blob');
  });

  if (capabilities.zstdPrefix) {
    test('patches changed files, and sends them whole where that is smaller', async () => {
      const old = lines(20_000, 5);
      const base = tree(await file('app.js', old), await file('tiny', 'a'));
      const edited = `${old.slice(0, 100_000)}inserted${old.slice(100_000)}`;
      const wanted = tree(await file('app.js', edited, 9), await file('tiny', 'b'));
      const { kinds, dataBytes } = await publish(base, wanted);
      expect(kinds).toEqual(['patchFile', 'putFile']);
      expect(dataBytes).toBeLessThan(1000);
    });
  }
});

/** A tree over few names, so that two of them collide in every way. */
async function randomTree(seed: number): Promise<Manifest> {
  const random = seededRandom(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const entries: TreeEntry[] = [];
  const fill = async (prefix: string, depth: number) => {
    for (const name of ['a', 'b', 'b.c', 'ü', 'z.png']) {
      const path = prefix + name;
      const kind = pick(['absent', 'file', 'file', 'directory', 'symlink']);
      if (kind === 'symlink') entries.push(link(path, pick(['a', '../b', '/x'])));
      if (kind === 'file') {
        const content = pick(['', 'x', lines(200, 8), `${lines(200, 8)}end`, lines(99, 9)]);
        entries.push(await file(path, content, pick([1, 2]), pick([0o644, 0o755])));
      }
      if (kind === 'directory' && depth < 3) {
        entries.push(folder(path, pick([0o755, 0o500])));
        await fill(`${path}/`, depth + 1);
      }
    }
  };
  await fill('', 0);
  return tree(...entries);
}

test('an assignment between any two trees makes the one into the other', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    await publish(await randomTree(seed), await randomTree(seed + 1000));
  }
});
