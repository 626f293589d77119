import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { measureBody } from '#libs/assignment/body.js';
import { compileAssignment } from '#libs/assignment/compile.js';
import { type DeltaLevel, defaultLargestInMemoryBytes } from '#libs/assignment/encoding-policy.js';
import { compressedFormats } from '#libs/assignment/never-compress.js';
import { openContainer, openData, readCommands } from '#libs/assignment/reader.js';
import { writeContainer } from '#libs/assignment/writer.js';
import { diskContentStore } from '#libs/content-store/adapters/disk-store.js';
import { type Manifest, treeDigest } from '#libs/content-store/manifest.js';
import { JobType } from '#libs/contracts/index.js';
import { scanTree } from '#libs/delta/adapters/scan-tree.js';
import { storeTree } from '#libs/delta/adapters/store-tree.js';
import { diffManifests } from '#libs/delta/diff.js';
import { hostPorts } from '#libs/interpreter/adapters/host-ports.js';
import { buildVersion } from '#libs/interpreter/adapters/version-builder.js';
import { planAssignment } from '#libs/interpreter/plan.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { probeNative } from '#libs/native/capabilities.js';

/*
 * The steps of bench:delta; each runs in a process of its own, so that each has its own peak of
 * memory. A step writes one line of JSON.
 */

interface StepInput {
  readonly old: string;
  readonly new: string;
  readonly work: string;
  readonly level: DeltaLevel;
}

const steps = { store, encode, apply };
const [step, input] = process.argv.slice(2);
const figures = await steps[step as keyof typeof steps](JSON.parse(input ?? '') as StepInput);
const peakRssMb = Math.round(process.resourceUsage().maxRSS / 1024);
process.stdout.write(`${JSON.stringify({ ...figures, peakRssMb })}\n`);

/** Scans both trees into the content store. */
async function store({ old, new: wanted, work }: StepInput) {
  const contents = contentStore(work);
  const manifests: string[] = [];
  const scanMs: number[] = [];
  for (const path of [old, wanted]) {
    const startedMs = performance.now();
    const scan = await scanTree(path, { rules: [] });
    scanMs.push(elapsed(startedMs));
    await storeTree(scan, contents);
    manifests.push(await contents.writeManifest(scan.manifest));
  }
  return { manifests, oldScanMs: scanMs[0], newScanMs: scanMs[1] };
}

/** Makes the container of what differs. */
async function encode({ work, level, ...input }: StepInput & { manifests?: string[] }) {
  const contents = contentStore(work);
  const [base, wanted] = await readManifests(contents, input.manifests);
  const startedMs = performance.now();
  const difference = diffManifests(base, wanted);
  const dataPath = join(work, 'data');
  const policy = {
    neverCompress: compressedFormats,
    capabilities: probeNative(),
    largestInMemoryBytes: defaultLargestInMemoryBytes,
    level,
  };
  const { commands } = await compileAssignment(difference, contents, policy, dataPath);
  const body = await measureBody(commands, dataPath);
  const key = signingKeyFromPem(generatePrivateKeyPem());
  const header = {
    ...{ assignmentId: 'bench-1', runId: 'bench', site: 'bench', sequence: 1n },
    ...{ type: JobType.PUBLISH, part: 1, parts: 1 },
    baseTreeDigest: digestBytes(base),
    resultTreeDigest: digestBytes(wanted),
    diskNeededBytes: BigInt(difference.diskNeededBytes),
  };
  const { containerBytes } = await writeContainer(join(work, 'container'), header, body, [key]);
  const { counts, changedBytes } = difference;
  return {
    ...{ containerBytes, dataBytes: body.dataBytes, commandsBytes: body.commands.length },
    ...{ encodeMs: elapsed(startedMs), changedBytes, counts },
    encodings: encodingsOf(commands),
    key: Buffer.from(key.publicKey).toString('base64'),
  };
}

/** Builds the new version from the old tree and the container, as an agent does. */
async function apply({ old, work, ...input }: StepInput & { manifests?: string[]; key?: string }) {
  const contents = contentStore(work);
  const [base, wanted] = await readManifests(contents, input.manifests);
  const publicKey = new Uint8Array(Buffer.from(input.key ?? '', 'base64'));
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
  const counts = await buildVersion({ tree: target, pristine }, plan.steps, sources);
  await data.close();
  const applyMs = elapsed(startedMs);
  const { manifest } = await scanTree(target, { rules: [] });
  return { applyMs, equal: treeDigest(manifest) === treeDigest(wanted), written: counts };
}

function contentStore(work: string) {
  const directory = join(work, 'content');
  mkdirSync(directory, { recursive: true });
  return diskContentStore(directory);
}

async function readManifests(
  contents: ReturnType<typeof contentStore>,
  [base = '', wanted = '']: readonly string[] = [],
): Promise<[Manifest, Manifest]> {
  return [await contents.readManifest(base), await contents.readManifest(wanted)];
}

/** How many files went by which way, and the bytes of their slices. */
function encodingsOf(commands: Awaited<ReturnType<typeof compileAssignment>>['commands']) {
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

function digestBytes(manifest: Manifest): Uint8Array {
  return new Uint8Array(Buffer.from(treeDigest(manifest), 'hex'));
}

function elapsed(sinceMs: number): number {
  return Math.round(performance.now() - sinceMs);
}
