import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterAll, describe, expect, it } from '@jest/globals';
import { EnrolRequestSchema } from '#libs/contracts/index.js';
import { controlKeysIn } from '#libs/keys/adapters/file-keys.js';
import { openCredential } from '#libs/keys/credential.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import type { ControlKeys, ScheduledKey } from '#libs/keys/key-provider.js';
import {
  type EnrolmentHost,
  enrol,
  keyLifeMs,
  keyNoticeMs,
  rotateAfterRemoval,
  WrongJoinToken,
} from './enrolment.js';

const enrolmentKey = signingKeyFromPem(generatePrivateKeyPem());
const schedule = new Map<string, ScheduledKey[]>();
const firstKey = (segment: string): ScheduledKey => ({
  epoch: 1,
  key: Buffer.from(segment.padEnd(32, '.')),
  useFromMs: 1_000,
});

const keys: ControlKeys = {
  assignmentKeys: async () => [],
  trustRoot: async () => ({ keys: [Uint8Array.of(1)], threshold: 1 }),
  rootDocuments: async () => [],
  enrolmentKey: async () => enrolmentKey,
  segmentKeys: async (segment) => schedule.get(segment) ?? [firstKey(segment)],
  rotateSegmentKey: async (segment, _nowMs, useFromMs) => {
    const next = { ...firstKey(segment), epoch: 2, useFromMs };
    schedule.set(segment, [firstKey(segment), next]);
    return next;
  },
  tlsAuthority: async () => ({
    certificates: ['authority'],
    issue: async (_key, uri) => `certificate of ${uri}`,
  }),
  tlsIdentity: async () => Promise.reject(new Error('not asked for')),
  auditKey: async () => Promise.reject(new Error('not asked for')),
  natsIssuerKey: async () => Promise.reject(new Error('not asked for')),
  joinToken: async () => 'espj_right',
  stagingToken: async () => 'espt_right',
  contentToken: async () => 'espc_right',
};
const access = {
  url: 'nats://127.0.0.1:4222',
  user: 'agent',
  password: 'secret',
  websocketUrl: '',
  agentUrl: 'https://127.0.0.1:7801',
};

function host(recorded: unknown[] = [], nowMs = 2_000): EnrolmentHost {
  const record = async (command: unknown) => recorded.push(command);
  const peersOf = async () => new Map(['p1', 'p2'].map((node) => [node, `10.0.0.1:${node}`]));
  const expectedOf = async () => [];
  return { keys, access, record, peersOf, expectedOf, nowMs: () => nowMs };
}

function request(joinToken: string) {
  const publicKey = Uint8Array.of(7);
  return create(EnrolRequestSchema, { node: 'p1', segment: 'paris', joinToken, publicKey });
}

describe('enrolment', () => {
  it('records the agent and hands it the keys of its segment', async () => {
    const recorded: unknown[] = [];
    const reply = await enrol(request('espj_right'), host(recorded));
    expect(recorded).toEqual([
      expect.objectContaining({ node: 'p1', segment: 'paris', publicKey: Uint8Array.of(7) }),
    ]);
    expect(reply).toMatchObject({ natsUser: 'agent', keyEpoch: 1, signingThreshold: 1 });
    expect(reply.controlAddress).toMatch(/^239\.255\./);
    expect(reply.tlsCertificate).toBe('certificate of urn:espalier:node:p1');
    expect(reply.tlsAuthorities).toEqual(['authority']);
  });

  it.each(['', 'espj_wrong', 'espj_righ', 'espj_rightt'])(
    'refuses the join token %j and records nothing',
    async (token) => {
      const recorded: unknown[] = [];
      const attempt = enrol(request(token), host(recorded));
      await expect(attempt).rejects.toThrow(WrongJoinToken);
      expect(recorded).toEqual([]);
    },
  );

  it('keeps the channels of segments apart', async () => {
    const channels = await Promise.all(
      ['paris', 'tokyo'].map((segment) => enrol({ ...request('espj_right'), segment }, host())),
    );
    const [paris, tokyo] = channels.map(
      ({ controlAddress, controlPort }) => `${controlAddress}:${controlPort}`,
    );
    expect(paris).not.toBe(tokyo);
  });

  it('gives the agent a credential that names its key and segment', async () => {
    const { credential, enrolmentKeys } = await enrol(request('espj_right'), host());
    const said = credential && openCredential(credential, enrolmentKeys);
    expect(said).toMatchObject({ node: 'p1', segment: 'paris', publicKey: Uint8Array.of(7) });
  });

  it('tells where the other agents of the segment are', async () => {
    const { peers } = await enrol(request('espj_right'), host());
    expect(peers.map(({ node }) => node)).toEqual(['p2']);
  });

  it('announces the next key of a segment before it is used, and stays in place', async () => {
    const young = await enrol(request('espj_right'), host());
    expect(young.segmentKeys).toHaveLength(1);
    const nowMs = 2_000 + keyLifeMs;
    const old = await enrol(request('espj_right'), host([], nowMs));
    expect(old.keyEpoch).toBe(1);
    expect(old.segmentKeys.map(({ useFromMs }) => Number(useFromMs))).toEqual([
      1_000,
      nowMs + keyNoticeMs,
    ]);
    expect(old.controlAddress).toBe(young.controlAddress);
  });
});

describe('the segment of a server that has left for good', () => {
  const directory = mkdtempSync(join(tmpdir(), 'espalier-removal-'));
  afterAll(() => rmSync(directory, { recursive: true }));

  it('gets a key that the server was never told, even where the next is announced', async () => {
    const own = controlKeysIn(directory);
    const [first] = await own.segmentKeys('paris');
    const nowMs = (first?.useFromMs ?? 0) + 1;
    const announced = await own.rotateSegmentKey('paris', nowMs, nowMs + 20_000);
    const next = await rotateAfterRemoval(own, 'paris', nowMs + 10_000);
    expect(announced.epoch).toBe(2);
    expect(next).toMatchObject({ epoch: 3, useFromMs: nowMs + 20_000 + 120_000 });
    const known = [first, announced].map((each) => Buffer.from(each?.key ?? []).toString('hex'));
    expect(known).not.toContain(Buffer.from(next.key).toString('hex'));
  });
});
