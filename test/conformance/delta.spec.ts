import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { measureBody } from '#libs/assignment/body.js';
import { compileAssignment } from '#libs/assignment/compile.js';
import { newDataKey } from '#libs/assignment/data-key.js';
import { deltaLevels, type EncodingPolicy } from '#libs/assignment/encoding-policy.js';
import { compressedFormats } from '#libs/assignment/never-compress.js';
import { openContainer, openData, readCommands } from '#libs/assignment/reader.js';
import { writeContainer } from '#libs/assignment/writer.js';
import { memoryContentStore } from '#libs/content-store/adapters/memory-store.js';
import { treeDigest } from '#libs/content-store/manifest.js';
import { JobType } from '#libs/contracts/index.js';
import { scanTree } from '#libs/delta/adapters/scan-tree.js';
import { storeTree } from '#libs/delta/adapters/store-tree.js';
import { diffManifests } from '#libs/delta/diff.js';
import { hostPorts } from '#libs/interpreter/adapters/host-ports.js';
import { buildVersion } from '#libs/interpreter/adapters/version-builder.js';
import { planAssignment } from '#libs/interpreter/plan.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { canCompressHere, zstdProvider } from '#libs/native/zstd.js';
import { seededRandom } from '#libs/testkit/seeded-random.js';

/*
 * What the builder compiles, the interpreter makes: from the files on one disk to the files on
 * another, whatever the trees, the level and what the host can do.
 */

const key = signingKeyFromPem(generatePrivateKeyPem());
const store = memoryContentStore();
let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'espalier-delta-'));
});
afterAll(async () => {
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

const native = zstdProvider();
const policies: [string, Partial<EncodingPolicy>][] = [
  ...deltaLevels.map((level): [string, Partial<EncodingPolicy>] => [`level ${level}`, { level }]),
  ['large files in segments', { largestInMemoryBytes: 25_000 }],
  ['no reference prefixes', { capabilities: { zstd: native.name, zstdPrefix: false } }],
  ['some types in clear', { sealing: { encryptOnly: ['.bin', '.js'], neverEncrypt: [] } }],
  ['no compressor', { capabilities: { zstd: 'none', zstdPrefix: false } }],
];
const hostPolicy: EncodingPolicy = {
  neverCompress: compressedFormats,
  capabilities: { zstd: native.name, zstdPrefix: native.prefix !== undefined },
  largestInMemoryBytes: 10_000_000,
};

describe.each(policies)('a delta with %s', (_, options) => {
  const policy = { ...hostPolicy, ...options };
  test('makes any tree into any other', async () => {
    for (let seed = 1; seed <= 2; seed++) {
      const old = join(directory, 'old');
      const wanted = join(directory, 'new');
      writePair(old, wanted, seed);
      const result = join(directory, 'result');
      const made = await makeWith(policy, { old, wanted, result });
      expect({ seed, digest: made.digest }).toEqual({ seed, digest: made.wantedDigest });
      for (const place of [old, wanted, result]) rmSync(place, { recursive: true });
    }
  });
});

if (canCompressHere()) {
  test('a delta is small when a program was compiled again', async () => {
    const old = program(400_000, 1);
    const edited = old.map((byte, at) => (at % 50 === 7 ? byte + 3 : byte));
    const wanted = Buffer.concat([
      edited.subarray(0, 90_000),
      noise(64, 3),
      edited.subarray(90_000),
    ]);
    const { dataBytes, wholeBytes } = await makeFile('program', old, wanted);
    expect(dataBytes).toBeLessThan(wholeBytes / 20);
  });
}

interface Places {
  readonly old: string;
  readonly wanted: string;
  readonly result: string;
}

async function makeWith(policy: EncodingPolicy, { old, wanted, result }: Places) {
  const scans = [await scanTree(old, { rules: [] }), await scanTree(wanted, { rules: [] })];
  for (const scan of scans) await storeTree(scan, store);
  const [base = [], target = []] = scans.map((scan) => scan.manifest);
  const difference = diffManifests(base, target);
  const path = join(directory, 'container');
  const dataPath = `${path}.data`;
  const { commands, clearBytes } = await compileAssignment(difference, store, policy, dataPath);
  const wrapped = policy.sealing && newDataKey({ site: 'www', runId: 'run-1' }, []);
  const dataKey = wrapped?.dataKey;
  const body = await measureBody(commands, dataPath, dataKey ? { dataKey, clearBytes } : {});
  const header = {
    ...{ assignmentId: 'www-1', runId: 'run-1', site: 'www', sequence: 1n },
    ...{ type: JobType.PUBLISH, part: 1, parts: 1 },
    baseTreeDigest: digestBytes(treeDigest(base)),
    resultTreeDigest: digestBytes(treeDigest(target)),
    diskNeededBytes: BigInt(difference.diskNeededBytes),
    ...(wrapped ? { encryption: wrapped.encryption } : {}),
  };
  await writeContainer(path, header, body, [key]);
  const head = await openContainer(path, { keys: [key.publicKey], threshold: 1 });
  const plan = planAssignment(base, await readCommands(path, head, dataKey), head.header);
  const data = await openData(path, head, dataKey);
  const pristine = join(directory, 'pristine');
  try {
    await buildVersion({ tree: result, pristine }, plan.steps, {
      base: { tree: old, pristine },
      isWritable: () => false,
      readOnly: false,
      data,
      decodePatch: hostPorts.decodePatch,
    });
  } finally {
    await data.close();
  }
  const made = await scanTree(result, { rules: [] });
  return {
    digest: treeDigest(made.manifest),
    wantedDigest: treeDigest(target),
    dataBytes: Number(head.header.dataBytes),
  };
}

async function makeFile(name: string, old: Uint8Array, wanted: Uint8Array) {
  const places = {
    old: join(directory, 'old'),
    wanted: join(directory, 'new'),
    result: join(directory, 'result'),
  };
  put(join(places.old, name), old);
  put(join(places.wanted, name), wanted);
  const made = await makeWith(hostPolicy, places);
  expect(made.digest).toBe(made.wantedDigest);
  for (const place of Object.values(places)) rmSync(place, { recursive: true });
  return { ...made, wholeBytes: wanted.length };
}

/** Two trees over few names and few contents, so that they collide in every way. */
function writePair(old: string, wanted: string, seed: number): void {
  const random = seededRandom(seed);
  const below = (count: number) => Math.floor(random() * count);
  const contents = [
    text(300, seed),
    text(40_000, seed),
    program(50_000, seed),
    noise(20_000, seed),
  ];
  for (const root of [old, wanted]) {
    mkdirSync(root, { recursive: true });
    for (const folder of ['', 'a/', 'b/']) {
      for (const name of ['f1', 'f2.js', 'f3.png', 'f4.bin', 'f5', 'f6']) {
        const path = join(root, folder + name);
        const content = contents[below(contents.length)] as Uint8Array;
        const kind = below(9);
        if (kind === 0) symlinkIn(path);
        else if (kind < 3) put(join(path, 'inner'), content);
        else if (kind < 8) put(path, kind < 5 ? content : edited(content, below));
      }
    }
  }
}

function put(path: string, content: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  utimesSync(path, 1_000, 1_000);
}

function symlinkIn(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync('f1', path);
}

/** With a piece inserted, taken out, moved and overwritten. */
function edited(content: Uint8Array, below: (count: number) => number): Uint8Array {
  const [from = 0, to = 0] = [below(content.length), below(content.length)].sort((a, b) => a - b);
  const piece = content.subarray(from, to);
  const rest = Buffer.concat([content.subarray(0, from), content.subarray(to)]);
  const place = below(rest.length + 1);
  return Buffer.concat([
    ...[rest.subarray(0, place), noise(below(2000), below(1000))],
    ...[piece.subarray(below(piece.length + 1)), rest.subarray(place)],
  ]);
}

function text(bytes: number, seed: number): Uint8Array {
  const random = seededRandom(seed);
  let lines = '';
  while (lines.length < bytes) lines += `line ${Math.floor(random() * 5_000)}\n`;
  return Buffer.from(lines.slice(0, bytes));
}

/** Bytes with zeros between them, as in programs. */
function program(bytes: number, seed: number): Uint8Array {
  const random = seededRandom(seed);
  return Uint8Array.from({ length: bytes }, (_, at) => (at % 4 === 3 ? 0 : random() * 256));
}

function noise(bytes: number, seed: number): Uint8Array {
  const random = seededRandom(seed);
  return Uint8Array.from({ length: bytes }, () => random() * 256);
}

function digestBytes(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'));
}
