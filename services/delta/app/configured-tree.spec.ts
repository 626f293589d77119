import { create } from '@bufbuild/protobuf';
import { expect, test } from '@jest/globals';
import { memoryContentStore } from '#libs/content-store/adapters/memory-store.js';
import type { FileEntry, Manifest } from '#libs/content-store/manifest.js';
import { RunStartedSchema } from '#libs/contracts/index.js';
import { configuredTree } from './configured-tree.js';
import { ConfigurationRefused } from './errors.js';

const store = memoryContentStore(() => 0);

async function file(path: string, content: string): Promise<FileEntry> {
  const digest = await store.write(Buffer.from(content));
  const sizeBytes = Buffer.byteLength(content);
  return { type: 'file', path, mode: 0o644, mtimeMs: 100, sizeBytes, digest };
}

const run = (key: string, value: string, path = 'app.json', dryRun = false) =>
  create(RunStartedSchema, {
    ...{ site: 'www', dryRun },
    policy: { configuration: [{ path, key, value, setAtMs: 500n }] },
  });

async function textOf(tree: Manifest, path: string): Promise<string> {
  const entry = tree.find((each) => each.path === path) as FileEntry;
  const bytes = Buffer.alloc(entry.sizeBytes);
  await store.readInto(entry.digest, bytes);
  return bytes.toString();
}

test('the values of a site are in its files, which are as new as what was set last', async () => {
  const staged = [await file('app.json', '{"a":1}'), await file('b.json', '{"a":1}')];
  const tree = await configuredTree(store, run('a', '2'), staged);
  expect(await textOf(tree, 'app.json')).toBe('{"a":2}');
  expect(tree[0]).toMatchObject({ mode: 0o644, mtimeMs: 500, sizeBytes: 7 });
  expect(tree[1]).toBe(staged[1]);
});

test('a file that has the value already stays as it is staged', async () => {
  const staged = [await file('app.json', '{ "a": 1 }\n')];
  expect(await configuredTree(store, run('a', '1'), staged)).toEqual(staged);
  expect(await configuredTree(store, create(RunStartedSchema, {}), staged)).toBe(staged);
});

test('a dry run tells the same tree and stores nothing', async () => {
  const staged = [await file('app.json', '{"a":1}')];
  const [told] = await configuredTree(store, run('a', '31', 'app.json', true), staged);
  expect(await store.has((told as FileEntry).digest)).toBe(false);
  expect(await configuredTree(store, run('a', '31'), staged)).toEqual([told]);
  const unknown = [{ ...(staged[0] as FileEntry), digest: 'ab'.repeat(32) }];
  expect(await configuredTree(store, run('a', '1', 'app.json', true), unknown)).toEqual(unknown);
});

test.each<[string, string, Manifest]>([
  ['it is not there', 'a', []],
  ['it is a directory', 'a', [{ type: 'directory', path: 'app.json', mode: 0o755 }]],
  ['it is a symlink', 'a', [{ type: 'symlink', path: 'app.json', target: 'b' }]],
])('is refused where %s', async (why, key, staged) => {
  const refused = configuredTree(store, run(key, '1'), staged);
  await expect(refused).rejects.toThrow(ConfigurationRefused);
  await expect(refused).rejects.toThrow(why);
});

test.each([
  ['more than 1048576 bytes', `{"a":"${'x'.repeat(1_048_576)}"}`, 'a'],
  ['not JSON', 'a: 1', 'a'],
  ['no object', '{"a":1}', 'a.b'],
])('is refused for a file with %s', async (why, content, key) => {
  const refused = configuredTree(store, run(key, '1'), [await file('app.json', content)]);
  await expect(refused).rejects.toThrow(ConfigurationRefused);
  await expect(refused).rejects.toThrow(why);
});
