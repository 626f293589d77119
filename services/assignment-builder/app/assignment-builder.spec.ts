import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { bodyCacheIn } from '#libs/assignment/adapters/body-cache.js';
import { sha256Hex } from '#libs/assignment/container.js';
import { dataKeyFor } from '#libs/assignment/data-key.js';
import { defaultLargestInMemoryBytes } from '#libs/assignment/encoding-policy.js';
import { openJob } from '#libs/assignment/job.js';
import { compressedFormats } from '#libs/assignment/never-compress.js';
import { openContainer, readCommands, verifyBody } from '#libs/assignment/reader.js';
import {
  type MemoryContentStore,
  memoryContentStore,
} from '#libs/content-store/adapters/memory-store.js';
import { type Manifest, treeDigest } from '#libs/content-store/manifest.js';
import { type DomainEvent, event, JobType, type RecordedEvent } from '#libs/contracts/index.js';
import {
  type EventLog,
  LogUnavailable,
  noEvents,
  VersionConflict,
} from '#libs/event-log/event-log.js';
import { memoryLog } from '#libs/event-log/memory-log.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { agreementPrivateKey } from '#libs/keys/x25519.js';
import { probeNative } from '#libs/native/capabilities.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { scratchDirectories } from '../adapters/scratch.js';
import { AssignmentBuilder } from './assignment-builder.js';

const key = signingKeyFromPem(generatePrivateKeyPem());
const trust = { keys: [key.publicKey], threshold: 1 };
const targets = [
  { segment: 'paris', nodes: ['paris-2', 'paris-1'] },
  { segment: 'rome', nodes: ['rome-1'] },
];
const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const hex = (digest: Uint8Array) => Buffer.from(digest).toString('hex');

let directory: string;
let log: EventLog;
let store: MemoryContentStore;
let clock: VirtualClock;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'espalier-builder-'));
  log = memoryLog();
  store = memoryContentStore();
  clock = new VirtualClock(1_000_000);
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true });
  await rm(`${directory}-bodies`, { recursive: true, force: true });
});

function builder(by: Partial<EventLog> = {}, maxBodyBytes?: number): AssignmentBuilder {
  return new AssignmentBuilder(
    {
      log: Object.assign(Object.create(log) as EventLog, by),
      store,
      clock,
      keys: { assignmentKeys: async () => [key] },
      ...(maxBodyBytes ? { maxBodyBytes } : {}),
      bodies: bodyCacheIn(`${directory}-bodies`, store, 4),
      scratchDirectory: scratchDirectories(directory, () => clock.nowMs()),
    },
    {
      neverCompress: compressedFormats,
      capabilities: probeNative(),
      largestInMemoryBytes: defaultLargestInMemoryBytes,
    },
  );
}

async function append(
  type: 'run' | 'changeset' | 'outcome' | 'node',
  id: string,
  happened: DomainEvent,
) {
  const causationId = `${type}-${id}-${happened.type}`;
  const context = { actor: 'test', correlationId: id, causationId };
  const before = (await log.read({ type, id })).at(-1);
  const head = before ? { sequence: before.sequence, version: before.version } : noEvents;
  const [recorded] = await log.append({ type, id }, head, [happened], context, clock.nowMs());
  return recorded as RecordedEvent;
}

const started = (runId: string, of = targets) =>
  append(
    'run',
    runId,
    event('RunStarted', { runId, site: 'www', type: JobType.PUBLISH, targets: of }),
  );

async function manifestOf(files: Record<string, string>): Promise<Manifest> {
  const entries = Object.entries(files).map(async ([path, text]) => {
    const digest = await store.write(Buffer.from(text));
    return { type: 'file', path, mode: 0o644, mtimeMs: 1, sizeBytes: text.length, digest } as const;
  });
  return Promise.all(entries);
}

async function changeSet(runId: string, base: Manifest, result: Manifest, dryRun = false) {
  const data = {
    ...{ runId, site: 'www', dryRun, diskNeededBytes: 100n },
    baseTreeDigest: base.length > 0 ? bytes(treeDigest(base)) : new Uint8Array(0),
    resultTreeDigest: bytes(treeDigest(result)),
    baseManifestDigest:
      base.length > 0 ? bytes(await store.writeManifest(base)) : new Uint8Array(0),
    resultManifestDigest: bytes(await store.writeManifest(result)),
  };
  const recorded = await append('changeset', runId, event('ChangeSetComputed', data));
  return recorded as RecordedEvent<'ChangeSetComputed'>;
}

async function commit(runId: string, sequence: bigint) {
  const data = {
    ...{ runId, site: 'www', sequence, switchAtMs: 5n, prepared: targets.slice(0, 1) },
    ...{ treeDigest: new Uint8Array(32).fill(3), manifestDigest: new Uint8Array(32).fill(4) },
  };
  const recorded = await append('outcome', runId, event('CommitIssued', data));
  return recorded as RecordedEvent<'CommitIssued'>;
}

const ledger = () => log.read({ type: 'assignment', id: 'www' });
async function lastBuilt(): Promise<DomainEvent<'AssignmentBuilt'>['data']> {
  const last = (await ledger()).at(-1);
  if (last?.type !== 'AssignmentBuilt') throw new Error(`the last event is ${last?.type}`);
  return last.data;
}

describe('the assignment builder', () => {
  test('builds, stores and records the assignment of a change set', async () => {
    await started('r1');
    const [base, result] = [await manifestOf({ a: 'one' }), await manifestOf({ a: 'two', b: 'x' })];
    await builder().prepare(await changeSet('r1', base, result));
    const built = await lastBuilt();
    expect(built).toMatchObject({ assignmentId: 'www-1', sequence: 1n, type: JobType.PUBLISH });
    expect(built.targets).toMatchObject(targets);
    const path = await store.localPath(hex(built.containerDigest));
    const head = await openContainer(path, trust);
    await verifyBody(path, head);
    expect(head.layout.containerBytes).toBe(Number(built.containerBytes));
    expect(head.header).toMatchObject({
      ...{ assignmentId: 'www-1', runId: 'r1', site: 'www', sequence: 1n, part: 1, parts: 1 },
      ...{ issuedAtMs: 1_000_000n, diskNeededBytes: 16_384n },
      scope: { nodes: ['paris-1', 'paris-2', 'rome-1'] },
    });
    expect(hex(head.header.resultTreeDigest)).toBe(treeDigest(result));
    expect((await readCommands(path, head)).map(({ command }) => command.value)).toMatchObject([
      { path: 'a' },
      { path: 'b' },
    ]);
    expect(await readdir(directory)).toEqual([]);
  });

  test('builds nothing for a dry run, an unchanged tree or a cancelled run', async () => {
    const [one, two] = [await manifestOf({ a: 'one' }), await manifestOf({ a: 'two' })];
    await started('r1');
    await builder().prepare(await changeSet('r1', one, two, true));
    await started('r2');
    await builder().prepare(await changeSet('r2', one, one));
    await started('r3');
    await append('run', 'r3', event('RunCancelled', { runId: 'r3', reason: 'changed my mind' }));
    await builder().prepare(await changeSet('r3', one, two));
    expect(await ledger()).toEqual([]);
  });

  test('does nothing when it is told again', async () => {
    await started('r1');
    const changes = await changeSet('r1', [], await manifestOf({ a: 'one' }));
    await builder().prepare(changes);
    await builder().prepare(changes);
    await builder().switch(await commit('r1', 1n));
    await builder().switch(await commit('r1', 1n));
    expect((await ledger()).map(({ type }) => type)).toEqual([
      'AssignmentBuilt',
      'AssignmentBuilt',
    ]);
  });

  test('makes a job that is too large for one body parts with sequences of their own', async () => {
    await started('r1');
    const noise = Array.from({ length: 40 }, (_, index) => sha256Hex(Buffer.from([index])));
    const files = { a: 'x'.repeat(30), b: noise.join('') };
    const changes = await changeSet('r1', [], await manifestOf(files));
    await builder({}, 300).prepare(changes);
    const parts = (await ledger()).map(
      ({ data }) => data as DomainEvent<'AssignmentBuilt'>['data'],
    );
    expect(parts.length).toBeGreaterThan(1);
    expect(parts.map(({ part }) => part)).toEqual(parts.map((_, index) => index + 1));
    expect(parts.map(({ sequence }) => sequence)).toEqual(parts.map((_, i) => BigInt(i + 1)));
    const opened = parts.map(async ({ containerDigest }) => {
      const path = await store.localPath(hex(containerDigest));
      return { path, head: await openContainer(path, trust) };
    });
    const job = await openJob(await Promise.all(opened));
    const paths: string[] = [];
    for await (const { command } of job.commands()) {
      if (command.case === 'putFile') paths.push(command.value.path);
    }
    expect(paths).toEqual(['a', 'b']);
    await job.data.close();
  });

  test('encrypts for exactly the servers that the run still has, by its policy', async () => {
    const pem = generatePrivateKeyPem();
    const { publicKey } = signingKeyFromPem(pem);
    const policy = { encryption: 'aes-256-gcm', neverEncrypt: ['.jpg'] };
    const only = [{ segment: 'paris', nodes: ['paris-1', 'paris-2'] }];
    const run = { runId: 'r2', site: 'www', type: JobType.PUBLISH, targets: only, policy };
    await append('run', 'r2', event('RunStarted', run));
    for (const node of ['paris-1', 'paris-2'])
      await append('node', node, event('NodeEnrolled', { node, publicKey }));
    await append('node', 'paris-2', event('NodeRemoved', { node: 'paris-2' }));
    const files = { a: 'secret content', 'a.jpg': 'open content' };
    await builder().prepare(await changeSet('r2', [], await manifestOf(files)));
    const path = await store.localPath(hex((await lastBuilt()).containerDigest));
    const head = await openContainer(path, trust);
    expect(head.header.encryption?.keys.map(({ node }) => node)).toEqual(['paris-1']);
    expect((await readFile(path, 'latin1')).match(/secret|open/g)).toEqual(['open']);
    await expect(readCommands(path, head)).rejects.toMatchObject({ reason: 'out-of-scope' });
    const dataKey = dataKeyFor(head.header, 'paris-1', agreementPrivateKey(pem));
    expect(await readCommands(path, head, dataKey)).toHaveLength(2);
  });

  test('switches the prepared set and nobody else', async () => {
    await started('r1');
    await builder().prepare(await changeSet('r1', [], await manifestOf({ a: 'one' })));
    await builder().switch(await commit('r1', 1n));
    const built = await lastBuilt();
    expect(built).toMatchObject({
      ...{ assignmentId: 'www-2', type: JobType.SWITCH, switchToSequence: 1n, commandCount: 0n },
      targets: targets.slice(0, 1),
    });
    const head = await openContainer(await store.localPath(hex(built.containerDigest)), trust);
    expect(head.header).toMatchObject({
      ...{ type: JobType.SWITCH, sequence: 2n, switchToSequence: 1n, switchAtMs: 5n },
      scope: { nodes: ['paris-1', 'paris-2'] },
    });
  });

  test('signs anew with the next number when somebody else took it', async () => {
    const one = await manifestOf({ a: 'one' });
    await Promise.all([started('r1'), started('r2')]);
    const other = await changeSet('r2', [], one);
    let races = 0;
    const racing: EventLog['append'] = async (aggregate, ...rest) => {
      if (aggregate.type === 'assignment' && races++ === 0) await builder().prepare(other);
      return log.append(aggregate, ...rest);
    };
    await builder({ append: racing }).prepare(await changeSet('r1', [], one));
    expect(await lastBuilt()).toMatchObject({ runId: 'r1', sequence: 2n, assignmentId: 'www-2' });
    const path = await store.localPath(hex((await lastBuilt()).containerDigest));
    expect((await openContainer(path, trust)).header.sequence).toBe(2n);
    expect(await ledger()).toHaveLength(2);
  });

  test('records why an assignment cannot be built, once', async () => {
    await started('r1');
    const lost = { type: 'file', path: 'a', mode: 0o644, mtimeMs: 1, sizeBytes: 1 } as const;
    const changes = await changeSet('r1', [], [{ ...lost, digest: 'ab'.repeat(32) }]);
    await builder().prepare(changes);
    await builder().prepare(changes);
    expect(await ledger()).toMatchObject([
      { type: 'AssignmentFailed', data: { runId: 'r1', site: 'www' } },
    ]);
    expect(JSON.stringify((await ledger())[0]?.data)).toContain('abab');
    expect(await readdir(directory)).toEqual([]);
  });

  test('fails a run that nobody started or that has no servers', async () => {
    const one = await manifestOf({ a: 'one' });
    await builder().prepare(await changeSet('r1', [], one));
    await started('r2', []);
    await builder().prepare(await changeSet('r2', [], one));
    expect((await ledger()).map(({ type }) => type)).toEqual([
      'AssignmentFailed',
      'AssignmentFailed',
    ]);
  });

  test.each([LogUnavailable, VersionConflict])(
    'records no failure without the log',
    async (Failure) => {
      await started('r1');
      const changes = await changeSet('r1', [], await manifestOf({ a: 'one' }));
      const failing = async () => {
        throw new Failure({ type: 'assignment', id: 'www' } as never, noEvents as never);
      };
      await expect(builder({ append: failing }).prepare(changes)).rejects.toThrow(Failure);
      expect(await ledger()).toEqual([]);
      await builder().prepare(changes);
      expect(await ledger()).toHaveLength(1);
    },
  );
});
