import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type RootDocument, writeRootFile } from '#libs/assignment/root-document.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { FollowedTrust } from './followed-trust.js';

const newKey = () => signingKeyFromPem(generatePrivateKeyPem());
const [a, b, old, fresh, thief] = [newKey(), newKey(), newKey(), newKey(), newKey()];
const trust = (threshold: number, ...keys: ReturnType<typeof newKey>[]) => ({
  threshold,
  keys: keys.map((key) => key.publicKey),
});
const first: RootDocument = {
  version: 1,
  expiresAtMs: 10_000,
  roots: trust(2, a, b),
  assignments: trust(1, old),
};
const second = { ...first, version: 2, assignments: trust(2, old, fresh) };
const third = { ...first, version: 3, expiresAtMs: 20_000, assignments: trust(1, fresh) };
const [one, two, three] = [first, second, third].map((root) => writeRootFile(root, [a, b]));
const documents = (...given: (Uint8Array | undefined)[]) => given.flatMap((bytes) => bytes ?? []);

let directory: string;
let clock: VirtualClock;
let told: string[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'espalier-trust-'));
  clock = new VirtualClock(1_000);
  told = [];
});
afterEach(() => rmSync(directory, { recursive: true }));

function open(rootDocuments: Uint8Array[], keys = [old.publicKey]) {
  const enrolled = { signingKeys: keys, signingThreshold: 1, rootDocuments };
  const path = join(directory, 'keys', 'root.json');
  return FollowedTrust.open(path, enrolled, clock, (line) => told.push(line));
}

test('without a root document the keys of the enrolment count', async () => {
  const followed = await open([]);
  expect({ ...trust(1, old) }).toEqual({ keys: followed.keys, threshold: followed.threshold });
  await followed.follow(documents(one));
  expect(followed.keys).toEqual([old.publicKey]);
});

test('a rotation is followed from document to document, and survives a restart', async () => {
  const followed = await open(documents(one));
  expect(followed.keys).toEqual([old.publicKey]);
  await followed.follow(documents(one, two));
  expect(followed.threshold).toBe(2);
  await followed.follow(documents(one, two, three));
  expect(followed.keys).toEqual([fresh.publicKey]);
  const restarted = await open(documents(one), [thief.publicKey]);
  expect(restarted.keys).toEqual([fresh.publicKey]);
});

test('an agent that was away follows all that it missed', async () => {
  await open(documents(one));
  expect((await open(documents(one, two, three))).keys).toEqual([fresh.publicKey]);
});

test('documents that do not follow change nothing, whoever brings them', async () => {
  const followed = await open(documents(one));
  const forged = writeRootFile({ ...second, assignments: trust(1, thief) }, [a, thief]);
  const own = writeRootFile({ ...second, roots: trust(1, thief), assignments: trust(1, thief) }, [
    thief,
  ]);
  await followed.follow(documents(three, forged, own, Buffer.from('{')));
  expect(followed.keys).toEqual([old.publicKey]);
  expect(told).toHaveLength(4);
  expect((await open(documents(own))).keys).toEqual([old.publicKey]);
});

test('nothing is trusted by a document whose time is over', async () => {
  const followed = await open(documents(one, two));
  clock.advance(20_000);
  expect(() => followed.keys).toThrow('expired');
  expect(() => followed.threshold).toThrow('expired');
});
