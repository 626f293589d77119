import { lstatSync, readdirSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { compileAssignment } from '#libs/assignment/compile.js';
import { diskNeeded } from '#libs/assignment/disk-needed.js';
import {
  defaultLargestInMemoryBytes,
  type EncodingPolicy,
} from '#libs/assignment/encoding-policy.js';
import { compressedFormats } from '#libs/assignment/never-compress.js';
import { openContainer, openData, streamCommands } from '#libs/assignment/reader.js';
import { writeAssignment } from '#libs/assignment/writer.js';
import { memoryContentStore } from '#libs/content-store/adapters/memory-store.js';
import {
  comparePaths,
  emptyManifest,
  type FileEntry,
  type Manifest,
  type TreeEntry,
  treeDigest,
} from '#libs/content-store/manifest.js';
import { diffManifests } from '#libs/delta/diff.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { probeNative } from '#libs/native/capabilities.js';
import { syncfs } from '#libs/native/syncfs.js';
import { decompressWithPrefix } from '#libs/native/zstd.js';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import { prepare } from './prepare.js';
import { siteLayout } from './site-layout.js';
import { directory, file, symlink, testTimeMs } from './test-commands.js';
import { TestSite } from './test-site.js';
import { digestOfTree } from './verify.js';

const key = signingKeyFromPem(generatePrivateKeyPem());
const trust = { keys: [key.publicKey], threshold: 1 };
const store = memoryContentStore();
/** Of what the system counts as blocks of a file. */
const blockUnitBytes = 512;
let disk: TestSite;

beforeEach(() => {
  disk = new TestSite();
  disk.ports = { ...disk.ports, syncFilesystem: syncfs, decodePatch: decompressWithPrefix };
});
afterEach(() => disk.remove());

/** Everything between two manifests: difference, compilation, container, interpreter. */
async function publish(
  base: Manifest,
  result: Manifest,
  sequence: number,
  configuration: EncodingPolicy['configuration'] = [],
) {
  const difference = diffManifests(base, result);
  const path = join(disk.root, 'container');
  const dataPath = `${path}.data`;
  const policy = {
    neverCompress: compressedFormats,
    capabilities: probeNative(),
    largestInMemoryBytes: defaultLargestInMemoryBytes,
    configuration,
  };
  const { commands } = await compileAssignment(difference, store, policy, dataPath);
  const header = {
    site: 'www',
    sequence: BigInt(sequence),
    assignmentId: `assignment-${sequence}`,
    part: 1,
    parts: 1,
    agentType: 'posix/1',
    baseTreeDigest: base.length > 0 ? Buffer.from(treeDigest(base), 'hex') : new Uint8Array(),
    resultTreeDigest: Buffer.from(treeDigest(result), 'hex'),
    diskNeededBytes: BigInt(diskNeeded(difference, result)),
  };
  await writeAssignment({ path, header, commands, data: dataPath, keys: [key] });
  const head = await openContainer(path, trust);
  const data = await openData(path, head);
  try {
    const input = { head, commands: streamCommands(path, head), data };
    const prepared = await prepare({ root: disk.root, site: 'www', ...input }, disk.ports);
    const kinds = commands.map(({ command }) => command.case);
    const { dataBytes, diskNeededBytes } = head.header;
    return { ...prepared, kinds, dataBytes, diskNeededBytes: Number(diskNeededBytes) };
  } finally {
    await data.close();
  }
}

/** A tree whose small, large, equal and linked files change from one number to the next. */
async function tree(number: number): Promise<Manifest> {
  const random = seededRandom(7);
  const noise = Buffer.from(Array.from({ length: 300_000 }, () => random() * 256));
  noise.fill(number, 1000 * number, 1000 * number + 50);
  const entries: TreeEntry[] = [directory('a'), directory('a/b', number % 2 ? 0o755 : 0o700)];
  const add = async (path: string, content: Buffer | string, mode = 0o644) => {
    await store.write(Buffer.from(content as string));
    entries.push(file(path, content, mode));
  };
  await add('a/noise', noise);
  await add('a/text', 'line of text\n'.repeat(2000 + number));
  await add(`a/b/moves-${number}`, 'what is renamed each time');
  await add('same', 'same', number === 2 ? 0o600 : 0o644);
  await add('empty', '');
  if (number % 2) await add('kind', 'a file');
  else entries.push(symlink('kind', 'same'));
  const timed = { ...file('time', 'time'), mtimeMs: testTimeMs + number } as TreeEntry;
  await store.write(Buffer.from('time'));
  return [...entries, timed].sort((a, b) => comparePaths(a.path, b.path));
}

it('prepares from signed containers exactly the trees that were compiled', async () => {
  let base = emptyManifest;
  for (const number of [1, 2, 3]) {
    const result = await tree(number);
    const prepared = await publish(base, result, number);
    expect(prepared.treeDigest).toBe(treeDigest(result));
    expect(await digestOfTree(disk.version(number))).toBe(treeDigest(result));
    base = result;
  }
});

/** What a version has on disk for itself: not what it shares with the one before. */
function takenBy(sequence: number): number {
  const { versions } = siteLayout({ root: disk.root, site: 'www' });
  const paths = [String(sequence), `${sequence}.manifest`];
  for (const name of readdirSync(join(versions, String(sequence)), { recursive: true })) {
    paths.push(join(String(sequence), String(name)));
  }
  const own = paths.map((path) => lstatSync(join(versions, path)));
  const isOwn = (status: Stats) => status.isDirectory() || status.nlink === 1;
  return own.filter(isOwn).reduce((sum, { blocks }) => sum + blocks * blockUnitBytes, 0);
}

/** Small and large files, many and long names, deep directories, long links. */
async function spacious(number: number): Promise<Manifest> {
  const entries: TreeEntry[] = [];
  const add = async (path: string, bytes: number) => {
    const content = Buffer.alloc(bytes, `${path} ${number}`);
    await store.write(content);
    entries.push(file(path, content));
  };
  for (const bytes of [0, 1, 4095, 4096, 4097, 100_000]) await add(`size-${bytes}`, bytes);
  let path = '';
  for (let depth = 0; depth < 20; depth++) {
    path += `${depth === 0 ? '' : '/'}level-${depth}`;
    entries.push(directory(path));
  }
  for (const length of [5, 120, 250]) {
    entries.push(directory(`names-${length}`));
    for (let index = 0; index < 600; index++) {
      await add(`names-${length}/${String(index).padStart(length, 'n')}`, number === 1 ? 5 : 6);
    }
  }
  for (const length of [10, 59, 60, 1000]) entries.push(symlink(`l${length}`, 't'.repeat(length)));
  return entries.sort((a, b) => comparePaths(a.path, b.path));
}

it('takes no more disk than its header says', async () => {
  let base = emptyManifest;
  for (const number of [1, 2]) {
    const result = await spacious(number);
    const { diskNeededBytes } = await publish(base, result, number);
    expect(takenBy(number)).toBeLessThanOrEqual(diskNeededBytes);
    base = result;
  }
});

const stored = async (path: string, content: string, mode = 0o644, mtimeMs = testTimeMs) => {
  await store.write(Buffer.from(content));
  return { ...(file(path, content, mode) as FileEntry), mtimeMs };
};

describe('a file in which only values of the site change', () => {
  const values = [
    { path: 'app.json', key: 'port', value: '8080' },
    { path: 'app.json', key: 'name', value: 'orders' },
    { path: 'a.env', key: 'PORT', value: '8080' },
  ];
  const before = () =>
    Promise.all([stored('a.env', 'PORT=80\n'), stored('app.json', '{"port":8080,"name":"o"}')]);

  it('is made on the server by setting them, without any content', async () => {
    const base = await before();
    await publish(emptyManifest, base, 1, values);
    const result = [
      await stored('a.env', 'PORT=8080\n', 0o600, testTimeMs + 5),
      await stored('app.json', '{"port":8080,"name":"orders"}', 0o644, testTimeMs + 9),
    ];
    const { kinds, dataBytes } = await publish(base, result, 2, values);
    expect(dataBytes).toBe(0n);
    expect(kinds).toEqual([
      ...['setConfiguration', 'setMode', 'setTimes'],
      ...['setConfiguration', 'setTimes'],
    ]);
    expect(await digestOfTree(disk.version(2))).toBe(treeDigest(result));
  });

  it.each([
    ['the staged file changed too', '{"port":8080,"name":"orders","more":1}', '{"port":8080}'],
    ['the base had other values, which are gone', '{"port":8080,"name":"orders"}', '{"rate":1}'],
    ['the base was no configuration', '{"port":8080,"name":"orders"}', 'no JSON'],
  ])('travels as any other where %s', async (_, wanted, was) => {
    const base = [await stored('app.json', was)];
    await publish(emptyManifest, base, 1);
    const result = [await stored('app.json', wanted)];
    const { kinds } = await publish(base, result, 2, values);
    expect(kinds).not.toContain('setConfiguration');
    expect(await digestOfTree(disk.version(2))).toBe(treeDigest(result));
  });
});
