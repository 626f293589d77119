import { readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { agentKeysIn, controlKeysIn } from '#libs/keys/adapters/file-keys.js';
import { signatureHeaders } from '#libs/keys/http-signature.js';
import { ControlPlane } from '#test/support/control-plane.js';
import { treeOf } from '#test/support/trees.js';
import { until } from '#test/support/until.js';

const timeoutMs = 120_000;
const noBlob = `/blobs/${'0'.repeat(64)}`;

interface Nodes {
  readonly nodes: readonly { readonly name: string; readonly leader: boolean }[];
}

let plane: ControlPlane;
let staging: string;
let gone: string;
let kept: string[];
let oldTree: ReturnType<typeof treeOf>;

beforeAll(async () => {
  plane = await ControlPlane.start({ segments: 1, nodes: 3 });
  // A server that a group names is missed as long as it is one of the fleet.
  staging = await plane.createSite('www', '--node', 'paris-1', 'paris-2', 'paris-3');
  writeFileSync(join(staging, 'index.html'), 'old\n');
  expect(await plane.publish('www')).toMatchObject({ status: 'completed', code: 0 });
  oldTree = treeOf(staging);
  const { nodes } = await plane.ask<Nodes>('nodes');
  gone = nodes.find(({ leader }) => !leader)?.name ?? '';
  kept = nodes.map(({ name }) => name).filter((name) => name !== gone);
}, timeoutMs);

afterAll(() => plane?.close(), timeoutMs);

const keysOf = (node: string) => join(plane.root(node), 'keys');

/** Asks, signed, for content that is not there: who is of the fleet is told so. */
async function statusOfSigned(node: string): Promise<number> {
  const key = await agentKeysIn(keysOf(node)).agentKey();
  const request = { method: 'GET', path: noBlob, body: new Uint8Array() };
  const headers = signatureHeaders(node, key, request, systemClock.nowMs(), `nonce-for-${node}-00`);
  return (await fetch(`${plane.url}${noBlob}`, { headers })).status;
}

/** The same with the certificate that the server was given. */
function statusOfCertified(node: string): Promise<number> {
  const enrolment = readFileSync(join(keysOf(node), 'enrolment.json'), 'utf8');
  const { tlsCertificate } = JSON.parse(enrolment) as { tlsCertificate: string };
  const options = {
    key: readFileSync(join(keysOf(node), 'agent-key.pem')),
    cert: tlsCertificate,
    ca: readFileSync(join(plane.dataDir, 'keys', 'tls-authority.pem')),
    // Its certificate names the control plane, not an address.
    checkServerIdentity: () => undefined,
  };
  return new Promise((resolve, reject) => {
    get(`${plane.agentUrl}${noBlob}`, options, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).on('error', reject);
  });
}

test(
  'a server that is removed is gone from the fleet, and its requests are refused',
  async () => {
    const removed = await plane.json('node', 'remove', gone, '--reason', 'sold');
    expect(removed).toEqual({ node: gone });
    await until('the read models know', async () => {
      const { nodes } = await plane.ask<Nodes>('nodes');
      return nodes.map(({ name }) => name).join() === kept.join();
    });
    for (const statusOf of [statusOfSigned, statusOfCertified]) {
      expect(await statusOf(kept[0] ?? '')).toBe(404);
      expect(await statusOf(gone)).toBe(401);
    }
  },
  timeoutMs,
);

test(
  'the next publication is complete without it, and it keeps what it serves',
  async () => {
    writeFileSync(join(staging, 'index.html'), 'new\n');
    const published = await plane.publish('www');
    expect(published).toMatchObject({ status: 'completed', code: 0 });
    expect(published.nodes.map(({ node }) => node).sort()).toEqual(kept);
    for (const node of kept) expect(treeOf(plane.live(node, 'www'))).toEqual(treeOf(staging));
    expect(treeOf(plane.live(gone, 'www'))).toEqual(oldTree);
  },
  timeoutMs,
);

test(
  'a removal that comes again makes up for a segment key that was not replaced',
  async () => {
    const keys = controlKeysIn(join(plane.dataDir, 'keys'));
    const before = await keys.segmentKeys('paris');
    expect(await plane.json('node', 'remove', gone)).toEqual({ node: gone });
    const after = await keys.segmentKeys('paris');
    expect(after.at(-1)?.epoch).toBe((before.at(-1)?.epoch ?? 0) + 1);
  },
  timeoutMs,
);

test(
  'it does not enrol again with its key, and who never was here cannot be removed',
  async () => {
    const { publicKey } = await agentKeysIn(keysOf(gone)).agentKey();
    const joinToken = readFileSync(join(plane.dataDir, 'keys', 'join-token'), 'utf8').trim();
    const request = { node: gone, segment: 'paris', joinToken };
    const response = await fetch(`${plane.url}/api/v1/enrol`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...request, publicKey: Buffer.from(publicKey).toString('base64') }),
    });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ code: 'KeyWasRemoved' });
    const { code, stderr } = await plane.cli('node', 'remove', 'atlantis-1');
    expect(code).toBe(1);
    expect(stderr).toContain('there is no server atlantis-1');
  },
  timeoutMs,
);
