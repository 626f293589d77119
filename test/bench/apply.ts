import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { create } from '@bufbuild/protobuf';
import { openContainer, openData, streamCommands } from '#libs/assignment/reader.js';
import { writeAssignment } from '#libs/assignment/writer.js';
import { type FileEntry, type Manifest, treeDigest } from '#libs/content-store/manifest.js';
import { type Command, CommandSchema, Compression } from '#libs/contracts/index.js';
import { hostPorts } from '#libs/interpreter/adapters/host-ports.js';
import { prepare } from '#libs/interpreter/prepare.js';
import { rollback, type Switched, switchTo } from '#libs/interpreter/switch.js';
import { digestOfTree } from '#libs/interpreter/verify.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';

/*
 * Figures of one server's disk: a delta that changes 1 % of a site beside `cp -al` of its tree plus
 * writing the changed files and one `sync`; new files beside raw file creation and one `sync`; the
 * switch; a local rollback. Both sides in turn, medians of the rounds.
 */
const { values: options } = parseArgs({
  options: {
    files: { type: 'string', default: '20000' },
    'new-files': { type: 'string', default: '5000' },
    'file-bytes': { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '5' },
    dir: { type: 'string', default: tmpdir() },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(options.rounds);
const fileBytes = Number(options['file-bytes']);
const key = signingKeyFromPem(generatePrivateKeyPem());
const trust = { keys: [key.publicKey], threshold: 1 };
const filesPerDirectory = 100;

type Contents = Map<string, Buffer>;
/** Each content is made once for its path. */
const entries = new WeakMap<Buffer, FileEntry>();

const scratch = mkdtempSync(join(options.dir, 'espalier-apply-'));
try {
  const fresh = await measureNewFiles(Number(options['new-files']));
  const change = await measureChanges(Number(options.files));
  report({ ...change, newFiles: fresh });
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

async function measureChanges(fileCount: number) {
  const root = join(scratch, 'changes');
  const contents = treeOf(fileCount, 0);
  let sequence = 1;
  say(`preparing a site of ${fileCount} files`);
  await apply(root, sequence, new Map(), contents);
  await (await switchTo({ root, site: 'www', sequence }, hostPorts)).cleanup;
  const applied: number[] = [];
  const baseline: number[] = [];
  const switched: number[] = [];
  const rolledBack: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    const next: Contents = new Map(contents);
    const changed = [...contents.keys()].filter((_, index) => index % 100 === round % 100);
    for (const path of changed) next.set(path, contentOf(path, round));
    sequence += 1;
    const order = [
      async () => applied.push(await apply(root, sequence, contents, next)),
      async () => baseline.push(copyAndChange(`${root}/sites/www/live/.`, next, changed)),
    ];
    for (const measure of round % 2 === 0 ? order : order.toReversed()) await measure();
    switched.push(await settled(() => switchTo({ root, site: 'www', sequence }, hostPorts)));
    rolledBack.push(await settled(() => rollback({ root, site: 'www' }, hostPorts)));
    say(`round ${round}: ${applied.at(-1)?.toFixed(0)} ms against ${baseline.at(-1)?.toFixed(0)}`);
  }
  await check(root, 1, contents);
  const [applySeconds, baselineSeconds] = [median(applied) / 1000, median(baseline) / 1000];
  return {
    files: fileCount,
    changedFiles: Math.floor(fileCount / 100),
    fileBytes,
    applySeconds,
    baselineSeconds,
    ratio: applySeconds / baselineSeconds,
    switchMs: median(switched),
    rollbackMs: median(rolledBack),
    raw: { applied, baseline, switched, rolledBack },
  };
}

/** Milliseconds until another version is live and durable; older ones are removed after it. */
async function settled(change: () => Promise<Switched>): Promise<number> {
  const startedMs = performance.now();
  const { cleanup } = await change();
  const tookMs = performance.now() - startedMs;
  await cleanup;
  return tookMs;
}

async function measureNewFiles(fileCount: number) {
  say(`writing ${fileCount} new files`);
  const contents = treeOf(fileCount, 0);
  const applied: number[] = [];
  const baseline: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const root = join(scratch, `new-${round}`);
    const order = [
      async () => applied.push(await apply(root, 1, new Map(), contents)),
      async () => baseline.push(createRaw(join(scratch, `raw-${round}`), contents)),
    ];
    for (const measure of round % 2 === 0 ? order : order.toReversed()) await measure();
    rmSync(root, { recursive: true });
  }
  const [applySeconds, baselineSeconds] = [median(applied) / 1000, median(baseline) / 1000];
  const ratio = applySeconds / baselineSeconds;
  return { files: fileCount, applySeconds, baselineSeconds, ratio, raw: { applied, baseline } };
}

/** From a container on disk to a version that is prepared and synced; returns milliseconds. */
async function apply(root: string, sequence: number, base: Contents, result: Contents) {
  const path = join(scratch, 'container');
  await writeContainer(path, sequence, base, result);
  execFileSync('sync', ['-f', scratch]);
  return milliseconds(async () => {
    const head = await openContainer(path, trust);
    const data = await openData(path, head);
    try {
      const commands = streamCommands(path, head);
      await prepare({ root, site: 'www', head, commands, data }, hostPorts);
    } finally {
      await data.close();
    }
  });
}

async function writeContainer(path: string, sequence: number, base: Contents, result: Contents) {
  const changed = [...result].filter(([name, bytes]) => base.get(name) !== bytes);
  let offset = 0n;
  const puts = changed.map(([name, bytes]) => {
    const { mode, digest, sizeBytes, mtimeMs } = entryOf(name, bytes);
    const length = BigInt(bytes.length);
    const data = { offset, length, compression: Compression.NONE };
    offset += length;
    const value = {
      ...{ path: name, mode, data, sizeBytes: BigInt(sizeBytes), mtimeMs: BigInt(mtimeMs) },
      digest: Buffer.from(digest, 'hex'),
    };
    return create(CommandSchema, { command: { case: 'putFile', value } });
  });
  const commands = [...(base.size === 0 ? makeDirectories(result) : []), ...puts];
  const baseTreeDigest = base.size === 0 ? Buffer.alloc(0) : digestOf(base);
  const header = {
    ...{ site: 'www', sequence: BigInt(sequence), assignmentId: `www-${sequence}` },
    ...{ part: 1, parts: 1, agentType: 'posix/1', diskNeededBytes: offset + 1_000_000n },
    ...{ baseTreeDigest, resultTreeDigest: digestOf(result) },
  };
  const data = changed.map(([, bytes]) => bytes);
  await writeAssignment({ path, header, commands, data, keys: [key] });
}

function makeDirectories(contents: Contents): Command[] {
  return [...directoriesOf(contents)].map((path) =>
    create(CommandSchema, { command: { case: 'makeDirectory', value: { path, mode: 0o755 } } }),
  );
}

function copyAndChange(live: string, contents: Contents, changed: readonly string[]): number {
  const copy = join(scratch, 'copy');
  rmSync(copy, { recursive: true, force: true });
  execFileSync('sync', ['-f', scratch]);
  const startedMs = performance.now();
  execFileSync('cp', ['-al', live, copy]);
  for (const path of changed) {
    unlinkSync(join(copy, path));
    writeFileSync(join(copy, path), contents.get(path) ?? '');
  }
  execFileSync('sync', ['-f', copy]);
  return performance.now() - startedMs;
}

function createRaw(directory: string, contents: Contents): number {
  execFileSync('sync', ['-f', scratch]);
  const startedMs = performance.now();
  mkdirSync(directory);
  for (const path of directoriesOf(contents)) mkdirSync(join(directory, path));
  for (const [path, bytes] of contents) writeFileSync(join(directory, path), bytes);
  execFileSync('sync', ['-f', directory]);
  return performance.now() - startedMs;
}

function treeOf(fileCount: number, number: number): Contents {
  const contents: Contents = new Map();
  for (let index = 0; index < fileCount; index++) {
    const path = `d${Math.floor(index / filesPerDirectory)}/f${index}`;
    contents.set(path, contentOf(path, number));
  }
  return contents;
}

function contentOf(path: string, number: number): Buffer {
  return Buffer.alloc(fileBytes, `${path} in its version ${number}\n`);
}

function directoriesOf(contents: Contents): Set<string> {
  return new Set([...contents.keys()].map((path) => path.slice(0, path.indexOf('/'))));
}

function entryOf(path: string, bytes: Buffer): FileEntry {
  const known = entries.get(bytes);
  if (known) return known;
  const digest = createHash('sha256').update(bytes).digest('hex');
  const fields = { mode: 0o644, mtimeMs: 1_700_000_000_000, sizeBytes: bytes.length };
  const entry: FileEntry = { type: 'file', path, digest, ...fields };
  entries.set(bytes, entry);
  return entry;
}

function manifestOf(contents: Contents): Manifest {
  const directories = [...directoriesOf(contents)].map((path) => ({
    ...{ type: 'directory' as const, path, mode: 0o755 },
  }));
  const files = [...contents].map(([path, bytes]) => entryOf(path, bytes));
  return [...directories, ...files].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function digestOf(contents: Contents): Buffer {
  return Buffer.from(treeDigest(manifestOf(contents)), 'hex');
}

async function check(root: string, sequence: number, contents: Contents): Promise<void> {
  const actual = await digestOfTree(join(root, `sites/www/versions/${sequence}`));
  if (actual === digestOf(contents).toString('hex')) return;
  throw new Error(`version ${sequence} on disk is not what was signed`);
}

async function milliseconds(action: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await action();
  return performance.now() - startedMs;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function report(figures: Awaited<ReturnType<typeof measureChanges>> & { newFiles: Fresh }): void {
  if (options.json) {
    process.stdout.write(`${JSON.stringify(figures)}\n`);
    return;
  }
  const { files, applySeconds, baselineSeconds, ratio, switchMs, rollbackMs, newFiles } = figures;
  const seconds = (value: number) => `${value.toFixed(3)} s`;
  for (const line of [
    `1 % of ${files} files    ${seconds(applySeconds)}; cp -al, writes and sync ` +
      `${seconds(baselineSeconds)}; ratio ${ratio.toFixed(2)}`,
    `${newFiles.files} new files     ${seconds(newFiles.applySeconds)}; raw files and sync ` +
      `${seconds(newFiles.baselineSeconds)}; ratio ${newFiles.ratio.toFixed(2)}`,
    `switch ${switchMs.toFixed(1)} ms, rollback ${rollbackMs.toFixed(1)} ms`,
  ]) {
    process.stdout.write(`${line}\n`);
  }
}

type Fresh = Awaited<ReturnType<typeof measureNewFiles>>;

function say(step: string): void {
  process.stderr.write(`${step}\n`);
}
