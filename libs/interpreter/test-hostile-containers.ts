import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeAssignment } from '#libs/assignment/writer.js';
import type { Manifest } from '#libs/content-store/manifest.js';
import { Compression, JobType, PatchEncoding } from '#libs/contracts/index.js';
import { generatePrivateKeyPem, type SigningKey, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { file, sha256, TestAssignment } from './test-commands.js';
import { first } from './test-site.js';

/** Whom the server of these tests trusts; both must sign. */
export const signers = [newKey(), newKey()] as const;
const stranger = newKey();
export const trust = { keys: signers.map((key) => key.publicKey), threshold: 2 };

/** A container on disk that must not be carried out, and what the server says of it. */
export type HostileContainer = readonly [string, (at: string) => Promise<string>, RegExp];

const added: Manifest = [...first, file('new', 'new')];
const put = () => new TestAssignment().put('new', 'new');

interface Made {
  readonly assignment?: TestAssignment;
  readonly base?: Manifest;
  readonly result?: Manifest;
  readonly header?: object;
  readonly keys?: readonly SigningKey[];
}

/** Version 2, which would be fine if nothing of it were replaced. */
async function make(directory: string, made: Made = {}): Promise<string> {
  const { assignment = put(), base = first, result = added, header = {}, keys = signers } = made;
  const path = join(directory, 'container');
  const fields = assignment.header(base, result, { sequence: 2n, assignmentId: 'www-2' });
  const { commandCount, dataBytes, $typeName, ...rest } = fields;
  const bytes = Buffer.from(await assignment.read({ offset: 0n, length: dataBytes }));
  const { commands } = assignment;
  const data = [bytes];
  await writeAssignment({ path, header: { ...rest, ...header }, commands, data, keys: [...keys] });
  return path;
}

const made = (how: Made) => (directory: string) => make(directory, how);
const header = (fields: object) => made({ header: fields });
/** The container with other bytes in it. */
const changed = (change: (bytes: Buffer) => Buffer | undefined, how?: Made) =>
  async function tampered(directory: string): Promise<string> {
    const path = await make(directory, how);
    const bytes = readFileSync(path);
    writeFileSync(path, change(bytes) ?? bytes);
    return path;
  };
const flipAt = (offset: (bytes: Buffer) => number) =>
  changed((bytes) => {
    const at = offset(bytes);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return undefined;
  });
const replaced = (from: string, to: string) =>
  changed((bytes) => Buffer.from(bytes.toString('latin1').replace(from, to), 'latin1'));

/** A file of these bytes in the data that the commands say are something else. */
const content = (put: (a: TestAssignment) => TestAssignment, result: Manifest) =>
  made({ assignment: put(new TestAssignment()), result });
const big = 'x'.repeat(1_000_000);
/** Frames of zstd, in base64. */
const frames = {
  bad: 'KLUv/SADGQAAYmFk',
  ne: 'KLUv/SACEQAAbmU=',
  big: 'KLUv/aBAQg8AVAAAEHh4AQD7/znAAgIAEHgCABB4AgAQeAIAEHgCABB4AgAQeAMSCng=',
};
const putFrame = (frame: keyof typeof frames, declared: string) => (a: TestAssignment) => {
  const slice = a.slice(Buffer.from(frames[frame], 'base64'));
  return a.put('new', declared, { data: { ...slice, compression: Compression.ZSTD } });
};

/** The head's signatures, its length and its form. */
const forged: HostileContainer[] = [
  ['signed by a stranger', made({ keys: [stranger] }), /untrusted|trusted keys/],
  ['signed by nobody', made({ keys: [] }), /trusted keys/],
  ['signed by one of two', made({ keys: [signers[0]] }), /1 trusted keys signed, 2/],
  ['signed twice by one', made({ keys: [signers[0], signers[0]] }), /1 trusted keys signed/],
  ['signed by one and a stranger', made({ keys: [signers[0], stranger] }), /1 trusted keys/],
  ['a bit of its envelope flipped', flipAt(() => 60), /Refused/],
  ['a bit of its magic flipped', flipAt(() => 0), /no assignment container/],
  ['the version of its format raised', flipAt(() => 9), /unknown version/],
  ['the version of its format lowered', changed((b) => void b.writeUInt8(0, 9)), /unknown version/],
  ['flags that nobody knows', flipAt(() => 11), /unknown flags/],
  ['a reserved field that is used', flipAt(() => 23), /unknown flags/],
  ['another number of blocks', flipAt(() => 19), /number of blocks/],
  ['2^32 blocks', changed((bytes) => void bytes.writeUInt32BE(2 ** 32 - 1, 16)), /blocks/],
  ['a body of 2^63 bytes', changed((b) => void b.writeBigUInt64BE(2n ** 63n, 24)), /too-large/],
  [
    'an envelope of 2^32 bytes',
    changed((b) => void b.writeUInt32BE(2 ** 32 - 1, 12)),
    /large|ends/,
  ],
  ['a bit of its last byte flipped', flipAt((bytes) => bytes.length - 1), /Refused|WrongContent/],
  ['its last byte cut off', changed((bytes) => bytes.subarray(0, -1)), /bytes, not/],
  ['a byte after its end', changed((bytes) => Buffer.concat([bytes, bytes.subarray(0, 1)])), /not/],
  ['nothing but its preamble', changed((bytes) => bytes.subarray(0, 32)), /bytes, not/],
  ['nothing in it', changed((bytes) => bytes.subarray(0, 0)), /ends within/],
  ['the type of what was signed replaced', replaced('espalier', 'ESPALIER'), /Refused/],
  ['a signature under another name', replaced('"keyid":"', '"keyid":"0'), /Refused/],
];

/** What the signed header says. */
const misplaced: HostileContainer[] = [
  ['expired', header({ expiresAtMs: 4_999n }), /has expired/],
  ['replayed: what was live before', header({ sequence: 1n }), /another tree was prepared|older/],
  ['downgraded: older than what is live', header({ sequence: 0n }), /older than 1/],
  ['a sequence of 2^53', header({ sequence: 2n ** 53n }), /too large a sequence/],
  ['a sequence of 2^64 - 1', header({ sequence: 2n ** 64n - 1n }), /too large a sequence/],
  ['for other servers', header({ scope: { nodes: ['b', 'c'] } }), /not for the server a/],
  ['for another site that is not here', header({ site: 'shop' }), /wrong-base|has not/],
  ['for a site above', header({ site: '../www' }), /UnsafeDirectory/],
  ['for a site below', header({ site: 'www/versions' }), /UnsafeDirectory/],
  ['for the site that is the root', header({ site: '/' }), /UnsafeDirectory/],
  ['for a site of no name', header({ site: '' }), /no site/],
  ['for a site with a zero byte', header({ site: 'w\0w' }), /UnsafeDirectory/],
  ['for a site called ..', header({ site: '..' }), /UnsafeDirectory/],
  ['in the commands of another system', header({ agentType: 'windows/1' }), /windows\/1/],
  ['in the commands of no system', header({ agentType: '' }), /agents of type/],
  ['for another base', made({ base: [file('other', 'x')] }), /has not on this server/],
  ['for a base that was never signed', made({ base: added, result: added }), /has not on this/],
  ['making another tree than signed', made({ result: first }), /WrongResult/],
  ['with a result of no digest', header({ resultTreeDigest: new Uint8Array() }), /Refused|Wrong/],
  ['with a base of half a digest', header({ baseTreeDigest: Buffer.alloc(16, 1) }), /Refused|has/],
  ['that needs 2^62 bytes of disk', header({ diskNeededBytes: 2n ** 62n }), /DiskFull/],
  ['that says it needs no disk', header({ diskNeededBytes: 0n }), /beyond-declared-size/],
  [
    'a switch to a version that is not here',
    made({
      assignment: new TestAssignment(),
      result: added,
      header: { type: JobType.SWITCH, switchToSequence: 9n },
    }),
    /UnknownVersion/,
  ],
];

/** What the data holds. */
const poisoned: HostileContainer[] = [
  ['other bytes', content((a) => a.put('new', 'bad', { digest: sha256('new') }), added), /digest/],
  ['too few bytes', content((a) => a.put('new', 'new', { sizeBytes: 4n }), added), /bad-slice/],
  ['a frame that is no zstd', content(putRaw('no zstd'), added), /Refused/],
  ['a frame of other content', content(putFrame('bad', 'new'), added), /digest/],
  ['a frame of less', content(putFrame('ne', 'new'), added), /WrongContent|Refused/],
  [
    'a bomb: 50 bytes that are a million',
    content(putFrame('big', 'new'), added),
    /more than|large/,
  ],
  [
    'a bomb that declares what it is, beyond the disk',
    made({
      assignment: putFrame('big', big)(new TestAssignment()),
      result: [...first, file('new', big)],
      header: { diskNeededBytes: 1_000n },
    }),
    /beyond-declared-size/,
  ],
  [
    'a difference to bytes that are not there',
    content((a) => a.patch('new', 'index.html', 'new', { operations: [operation(4n, 3n)] }), added),
    /bad-patch/,
  ],
  [
    'a difference that makes something else',
    content((a) => a.patch('new', 'index.html', 'new', { operations: [operation(0n, 3n)] }), added),
    /digest/,
  ],
  [
    'a difference in a frame of rubbish',
    content(
      (a) =>
        a.patch('new', 'index.html', 'new', {
          ...{ encoding: PatchEncoding.ZSTD_PREFIX, data: a.slice('rubbish') },
        }),
      added,
    ),
    /Error|Refused|Wrong|Corrupt/,
  ],
];

export const hostileContainers: HostileContainer[] = [...forged, ...misplaced, ...poisoned];

function putRaw(text: string) {
  return (a: TestAssignment) =>
    a.put('new', 'new', { data: { ...a.slice(text), compression: Compression.ZSTD } });
}

function operation(copyOffset: bigint, copyLength: bigint) {
  return { copyOffset, copyLength, literalLength: 0n };
}

function newKey(): SigningKey {
  return signingKeyFromPem(generatePrivateKeyPem());
}

/** One that is fine, so that the others are refused for what is wrong with them. */
export const soundContainer = make;
