import { createHash } from 'node:crypto';
import {
  appendFileSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { memoryContentStore } from '#libs/content-store/adapters/memory-store.js';
import type { ContentStore } from '#libs/content-store/content-store.js';
import { type RunStarted, RunStartedSchema } from '#libs/contracts/index.js';
import type { ScanCache } from '#libs/delta/scan.js';
import { ScanRecord } from '#libs/delta/scan-cache.js';
import { FileChangedWhileRead, StagingNotFound } from '#libs/delta/scan-errors.js';
import { localStaging } from './local-staging.js';
import { scanCacheFiles } from './scan-cache-file.js';

let directory: string;
let store: ContentStore;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'espalier-staging-'));
  mkdirSync(join(directory, 'staging'));
  store = memoryContentStore();
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

function run(init: MessageInitShape<typeof RunStartedSchema> = {}): RunStarted {
  const staging = join(directory, 'staging');
  const filters = [{ include: false, pattern: '*.tmp' }];
  return create(RunStartedSchema, { runId: 'run-1', site: 'a/b', staging, filters, ...init });
}

const files = () => scanCacheFiles(join(directory, 'cache'));
const write = (name: string, text: string) => {
  writeFileSync(join(directory, 'staging', name), text);
};

describe('a staging directory', () => {
  test('is captured through the filters of the run', async () => {
    write('a', 'one');
    write('b.tmp', 'two');
    const { manifest } = await localStaging(store, files()).capture(run());
    expect(manifest.map((entry) => entry.path)).toEqual(['a']);
    const digests = manifest.map((entry) => (entry.type === 'file' ? entry.digest : ''));
    expect(await store.has(digests[0] ?? '')).toBe(true);
  });

  test('is refused for names that differ by case only, where the site says so', async () => {
    write('a', 'one');
    write('A', 'two');
    const staging = localStaging(store, files());
    expect((await staging.capture(run())).manifest).toHaveLength(2);
    const refusing = staging.capture(run({ policy: { nameClashes: 'refuse' } }));
    await expect(refusing).rejects.toThrow('"A = a"');
  });

  test('is refused for names that other systems reserve, where the site says so', async () => {
    write('aux.html', 'one');
    const staging = localStaging(store, files());
    await staging.capture(run({ policy: { nameClashes: 'refuse' } }));
    const refusing = staging.capture(run({ policy: { nameClashes: 'portable' } }));
    await expect(refusing).rejects.toThrow('"aux.html"');
  });

  test('is only described by a dry run', async () => {
    write('a', 'one');
    const { manifest } = await localStaging(store, files()).capture(run({ dryRun: true }));
    const digests = manifest.map((entry) => (entry.type === 'file' ? entry.digest : ''));
    expect(await store.has(digests[0] ?? '')).toBe(false);
  });

  test('is captured again when a file changed between scan and store', async () => {
    write('a', 'one');
    let isFirst = true;
    const disturbed: ContentStore = {
      ...bound(store),
      writeFile: (path, digest) => {
        if (isFirst) appendFileSync(path, ' more');
        isFirst = false;
        return store.writeFile(path, digest);
      },
    };
    const { manifest } = await localStaging(disturbed, files()).capture(run());
    expect(manifest).toMatchObject([{ sizeBytes: 8 }]);
  });

  test('is refused when a file never stands still', async () => {
    write('a', 'one');
    const disturbed: ContentStore = {
      ...bound(store),
      writeFile: (path, digest) => {
        appendFileSync(path, ' more');
        return store.writeFile(path, digest);
      },
    };
    const capture = localStaging(disturbed, files()).capture(run());
    await expect(capture).rejects.toThrow(FileChangedWhileRead);
  });

  test('is refused when it does not exist', async () => {
    const capture = localStaging(store, files()).capture(run({ staging: join(directory, 'x') }));
    await expect(capture).rejects.toThrow(StagingNotFound);
  });

  test('is read again when the cache is wrong about a file', async () => {
    write('a', 'one');
    const stat = lstatSync(join(directory, 'staging', 'a'));
    const { dev: device, ino: inode, size: sizeBytes, mtimeMs, ctimeMs } = stat;
    const digest = 'ab'.repeat(32);
    const entry = { type: 'file', path: 'a', mode: 0o644, sizeBytes, mtimeMs: 0, digest } as const;
    const wrong = new ScanRecord();
    wrong.add(entry, { device, inode, sizeBytes, mtimeMs, ctimeMs });
    await files().save('a/b', wrong.sorted());
    const described = await localStaging(store, files()).capture(run({ dryRun: true }));
    expect(described.manifest).toMatchObject([{ digest }]);
    await files().save('a/b', wrong.sorted());
    const again = await localStaging(store, files()).capture(run());
    expect(again.manifest).toMatchObject([{ digest: sha256('one') }]);
  });
});

describe('the scan cache of a site', () => {
  const digest = 'ab'.repeat(32);
  const cache: ScanCache = {
    manifest: [
      { type: 'directory', path: 'dir', mode: 0o755 },
      { type: 'file', path: 'dir/é', mode: 0o644, sizeBytes: 3, mtimeMs: 4, digest },
    ],
    identities: Float64Array.of(NaN, NaN, NaN, NaN, 1, 2, 4.0625, 5.5),
  };

  test('is kept from run to run, apart from other sites', async () => {
    await files().save('a/b', cache);
    expect(await files().load('a/b')).toEqual(cache);
    expect(await files().load('b')).toBeUndefined();
  });

  test('is empty when the file is damaged', async () => {
    await files().save('a/b', cache);
    const [name] = readdirSync(join(directory, 'cache'));
    for (const damage of ['', '{', 'null', '\x01\0\0\0', `\0\0\0\0\x0a\x20`, '[["x"]]']) {
      writeFileSync(join(directory, 'cache', name ?? ''), damage);
      expect(await files().load('a/b')).toBeUndefined();
    }
  });

  test('leaves nothing else behind', async () => {
    await files().save('a/b', cache);
    await files().save('a/b', cache);
    expect(readdirSync(join(directory, 'cache'))).toEqual(['a%2Fb.scan']);
  });
});

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** A store whose methods can be replaced one by one. */
function bound(original: ContentStore): ContentStore {
  return {
    has: (digest) => original.has(digest),
    sizeBytes: (digest) => original.sizeBytes(digest),
    read: (digest, range) => original.read(digest, range),
    readInto: (digest, target) => original.readInto(digest, target),
    write: (content) => original.write(content),
    writeFile: (path, digest) => original.writeFile(path, digest),
    localPath: (digest) => original.localPath(digest),
    writeManifest: (manifest) => original.writeManifest(manifest),
    readManifest: (digest) => original.readManifest(digest),
  };
}
