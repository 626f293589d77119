import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { measureBody } from '#libs/assignment/body.js';
import { compileAssignment } from '#libs/assignment/compile.js';
import { type DeltaLevel, defaultLargestInMemoryBytes } from '#libs/assignment/encoding-policy.js';
import { compressedFormats } from '#libs/assignment/never-compress.js';
import { openContainer, openData, readCommands } from '#libs/assignment/reader.js';
import { writeContainer } from '#libs/assignment/writer.js';
import { diskContentStore } from '#libs/content-store/adapters/disk-store.js';
import type { ContentStore } from '#libs/content-store/content-store.js';
import { treeDigest } from '#libs/content-store/manifest.js';
import { type Command, JobType } from '#libs/contracts/index.js';
import { scanTree } from '#libs/delta/adapters/scan-tree.js';
import { storeTree } from '#libs/delta/adapters/store-tree.js';
import { diffManifests } from '#libs/delta/diff.js';
import type { TreeDifference } from '#libs/delta/tree-difference.js';
import { BaseTree } from '#libs/interpreter/adapters/base-tree.js';
import { hostPorts } from '#libs/interpreter/adapters/host-ports.js';
import { type BuildSources, buildVersion } from '#libs/interpreter/adapters/version-builder.js';
import { contentOf } from '#libs/interpreter/file-content.js';
import { planAssignment, type Step } from '#libs/interpreter/plan.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { probeNative } from '#libs/native/capabilities.js';
import { KeptMemory } from '#libs/native/work-memory.js';

/*
 * The steps of bench:delta; each runs in a process of its own, so that each has its own peak of
 * memory. A step writes one line of JSON.
 */

interface StepInput {
  readonly old: string;
  readonly new: string;
  readonly work: string;
  readonly level: DeltaLevel;
  readonly baseManifest?: string;
  readonly baseTreeDigest?: string;
  readonly wantedManifest?: string;
  readonly key?: string;
}

const steps = { prepare, encode, publishBoth, apply };
const [step, input] = process.argv.slice(2);
const figures = await steps[step as keyof typeof steps](JSON.parse(input ?? '') as StepInput);
const peakRssMb = Math.round(process.resourceUsage().maxRSS / 1024);
process.stdout.write(`${JSON.stringify({ ...figures, peakRssMb })}\n`);

/** The shadow: manifest and content of the old tree. The system's cache has the new one then. */
async function prepare({ old, new: wantedTree, work }: StepInput) {
  const contents = contentStore(work);
  const scan = await scanTree(old, { rules: [] });
  await storeTree(scan, contents);
  await scanTree(wantedTree, { rules: [] });
  const baseManifest = await contents.writeManifest(scan.manifest);
  return { baseManifest, baseTreeDigest: treeDigest(scan.manifest) };
}

/** Both publications in one process, as in a service that runs: the old tree, then the new one. */
async function publishBoth(input: StepInput) {
  const prepared = await prepare(input);
  const contents = contentStore(input.work);
  const old = await contents.readManifest(prepared.baseManifest);
  const difference = diffManifests([], old);
  await makeContainer(contents, {
    ...{ work: input.work, level: input.level, difference },
    ...{ baseTreeDigest: treeDigest([]), resultTreeDigest: prepared.baseTreeDigest },
  });
  return encode({ ...input, ...prepared });
}

/** From the new tree on disk to the container. */
async function encode(input: StepInput) {
  const { new: wantedTree, work, level, baseManifest = '', baseTreeDigest = '' } = input;
  const contents = contentStore(work);
  const base = await contents.readManifest(baseManifest);
  const startedMs = performance.now();
  const startedCpuMs = cpuMs();
  const scan = await scanTree(wantedTree, { rules: [] });
  const difference = diffManifests(base, scan.manifest);
  const scannedMs = performance.now();
  const scannedCpuMs = cpuMs();
  await storeTree(scan, contents);
  const wantedManifest = await contents.writeManifest(scan.manifest);
  const storedMs = performance.now();
  const storedCpuMs = cpuMs();
  const result = { baseTreeDigest, resultTreeDigest: treeDigest(scan.manifest) };
  const made = await makeContainer(contents, { work, level, difference, ...result });
  const { counts, changedBytes } = difference;
  const { files, changed, renamed } = counts;
  return {
    ...{ files, changed, renamed, similar: similarIn(made.commands), changedBytes },
    updateBytes: made.containerBytes,
    scanMs: Math.round(scannedMs - startedMs),
    storeMs: Math.round(storedMs - scannedMs),
    compileMs: elapsed(storedMs),
    cpuMs: {
      scan: scannedCpuMs - startedCpuMs,
      store: storedCpuMs - scannedCpuMs,
      compile: cpuMs() - storedCpuMs,
    },
    encodings: encodingsOf(made.commands),
    forApply: { baseManifest, wantedManifest, key: made.key },
  };
}

interface Making {
  readonly work: string;
  readonly level: DeltaLevel;
  readonly difference: TreeDifference;
  /** The control plane knows it of the live tree. */
  readonly baseTreeDigest: string;
  readonly resultTreeDigest: string;
}

async function makeContainer(
  contents: ContentStore,
  { work, level, difference, baseTreeDigest, resultTreeDigest }: Making,
) {
  const dataPath = join(work, 'data');
  const policy = {
    neverCompress: compressedFormats,
    capabilities: probeNative(),
    largestInMemoryBytes: defaultLargestInMemoryBytes,
    level,
  };
  const { commands } = await compileAssignment(difference, contents, policy, dataPath);
  const body = await measureBody(commands, dataPath, { level });
  const key = signingKeyFromPem(generatePrivateKeyPem());
  const header = {
    ...{ assignmentId: 'bench-1', runId: 'bench', site: 'bench', sequence: 1n },
    ...{ type: JobType.PUBLISH, part: 1, parts: 1 },
    baseTreeDigest: digestBytes(baseTreeDigest),
    resultTreeDigest: digestBytes(resultTreeDigest),
    diskNeededBytes: BigInt(difference.diskNeededBytes),
  };
  const { containerBytes } = await writeContainer(join(work, 'container'), header, body, [key]);
  return { containerBytes, commands, key: Buffer.from(key.publicKey).toString('base64') };
}

/** Builds the new version from the old tree and the container, as an agent does. */
async function apply({ old, work, baseManifest = '', wantedManifest = '', key }: StepInput) {
  const contents = contentStore(work);
  const base = await contents.readManifest(baseManifest);
  const wanted = await contents.readManifest(wantedManifest);
  const publicKey = new Uint8Array(Buffer.from(key ?? '', 'base64'));
  const startedMs = performance.now();
  const path = join(work, 'container');
  const head = await openContainer(path, { keys: [publicKey], threshold: 1 });
  const plan = planAssignment(base, await readCommands(path, head), head.header);
  const data = await openData(path, head);
  const target = join(work, 'result');
  const pristine = join(work, 'pristine');
  const sources = {
    base: { tree: old, pristine },
    data,
    decodePatch: hostPorts.decodePatch,
    isWritable: () => false,
    readOnly: false,
  };
  await buildVersion({ tree: target, pristine }, plan.steps, sources);
  const decodeMs = elapsed(startedMs);
  const { manifest } = await scanTree(target, { rules: [] });
  const equal = treeDigest(manifest) === treeDigest(wanted);
  const decodedMbPerCoreSecond = await decodingSpeed(plan.steps, sources);
  await data.close();
  return { decodeMs, equal, decodedMbPerCoreSecond };
}

/** Of decoding alone: nothing is hashed or written. */
async function decodingSpeed(steps: readonly Step[], sources: BuildSources): Promise<number> {
  const base = new BaseTree(sources.base.tree, sources.base.pristine);
  const { take } = new KeptMemory(32 * 1024 ** 2);
  const before = process.cpuUsage();
  let bytes = 0;
  for (const step of steps) {
    if (step.kind !== 'write') continue;
    for await (const piece of contentOf(step.entry, step.origin, { ...sources, base, take })) {
      bytes += piece.length;
    }
  }
  const { user, system } = process.cpuUsage(before);
  base.close();
  return Math.round(bytes / (user + system));
}

function contentStore(work: string) {
  const directory = join(work, 'content');
  mkdirSync(directory, { recursive: true });
  return diskContentStore(directory);
}

/** Files that are made of another file of the base. */
function similarIn(commands: readonly Command[]): number {
  return commands.filter(
    ({ command }) => command.case === 'patchFile' && command.value.basePath !== '',
  ).length;
}

/** How many files went by which way, and the bytes of their slices. */
function encodingsOf(commands: readonly Command[]) {
  const result: Record<string, { files: number; bytes: number }> = {};
  const slices = new Set<bigint>();
  for (const { command } of commands) {
    if (command.case !== 'putFile' && command.case !== 'patchFile') continue;
    const { data } = command.value;
    const encoding = command.case === 'patchFile' ? command.value.encoding : 0;
    const names = ['put', 'operations', 'prefix', 'segments', 'difference'];
    const name = data?.contentBytes ? 'solid' : (names[encoding] ?? 'other');
    const entry = result[name] ?? { files: 0, bytes: 0 };
    const isCounted = !data || slices.has(data.offset);
    if (data) slices.add(data.offset);
    const bytes = entry.bytes + (isCounted ? 0 : Number(data?.length));
    result[name] = { files: entry.files + 1, bytes };
  }
  return result;
}

function digestBytes(digest: string): Uint8Array {
  return new Uint8Array(Buffer.from(digest, 'hex'));
}

/** What all threads of this process have used: tells of the work where the machine is shared. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return Math.round((user + system) / 1000);
}

function elapsed(sinceMs: number): number {
  return Math.round(performance.now() - sinceMs);
}
