import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { collectGarbage } from '#libs/content-store/garbage.js';
import { treeDigest } from '#libs/content-store/manifest.js';
import {
  JobType,
  NodeStatus,
  type RecordedEvent,
  type ShadowMoved,
} from '#libs/contracts/index.js';
import { localStaging } from '../adapters/local-staging.js';
import { scanCacheFiles } from '../adapters/scan-cache-file.js';
import { ContentPins } from './content-pins.js';
import { ShadowBehindCommit } from './errors.js';
import {
  beginWorld,
  built,
  changeSet,
  clock,
  commit,
  commitDigests,
  complete,
  compute,
  context,
  digestOf,
  endWorld,
  hex,
  only,
  publish,
  record,
  run,
  shadow,
  stage,
  world,
} from './reaction-world.js';
import { moveShadow, recordSnapshots, takeBackShadow } from './shadow-reaction.js';

beforeEach(beginWorld);
afterEach(endWorld);

const outcome = { type: 'outcome', id: 'run-2' } as const;
const dayMs = 24 * 60 * 60 * 1000;

describe('the change set of a publish', () => {
  test('has everything in it before the first commit', async () => {
    stage('a', 'hello');
    await publish('run-1');
    const computed = await only('ChangeSetComputed', changeSet('run-1'));
    expect(computed).toMatchObject({
      runId: 'run-1',
      site: 'www',
      counts: { added: 1, files: 1 },
      treeBytes: 5n,
      changedBytes: 5n,
      diskNeededBytes: 5n,
    });
    expect(computed.baseTreeDigest).toHaveLength(0);
    expect(await world.store.readManifest(hex(computed.baseManifestDigest))).toEqual([]);
    const manifest = await world.store.readManifest(hex(computed.resultManifestDigest));
    expect(manifest).toMatchObject([{ path: 'a', sizeBytes: 5 }]);
    expect(treeDigest(manifest)).toBe(hex(computed.resultTreeDigest));
  });

  test('has only what differs from the last commit in it', async () => {
    stage('a', 'hello');
    await publish('run-1');
    await commit('run-1', 1);
    stage('b', 'new');
    await publish('run-2');
    const first = await only('ChangeSetComputed', changeSet('run-1'));
    const second = await only('ChangeSetComputed', changeSet('run-2'));
    expect(second.counts).toMatchObject({ added: 1, unchanged: 1, files: 2 });
    expect(second.changedBytes).toBe(3n);
    expect(second.baseTreeDigest).toEqual(first.resultTreeDigest);
    expect(second.baseManifestDigest).toEqual(first.resultManifestDigest);
  });

  test('ends where it began when nothing changed', async () => {
    stage('a', 'hello');
    await publish('run-1');
    await commit('run-1', 1);
    await publish('run-2');
    const { baseTreeDigest, resultTreeDigest } = await only(
      'ChangeSetComputed',
      changeSet('run-2'),
    );
    expect(resultTreeDigest).toEqual(baseTreeDigest);
  });

  test('is computed once, whatever is staged when the event comes again', async () => {
    stage('a', 'hello');
    const started = await publish('run-1');
    stage('b', 'later');
    await compute(started);
    const computed = await only('ChangeSetComputed', changeSet('run-1'));
    expect(computed.counts).toMatchObject({ added: 1 });
  });

  test('fails with a reason and a remedy that name the path', async () => {
    rmSync(join(world.directory, 'staging'), { recursive: true });
    await publish('run-1');
    const { reason } = await only('ChangeSetFailed', changeSet('run-1'));
    expect(reason).toContain(join(world.directory, 'staging'));
    expect(reason).toContain('create it');
  });

  test('fails when the store is full, and when it has lost the base', async () => {
    stage('a', 'hello');
    const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    world.staging = { capture: () => Promise.reject(full) };
    await publish('run-1');
    expect((await only('ChangeSetFailed', changeSet('run-1'))).reason).toContain('ENOSPC');
    await commitDigests('run-1', 1, new Uint8Array(32), new Uint8Array(32));
    await publish('run-2');
    const { reason } = await only('ChangeSetFailed', changeSet('run-2'));
    expect(reason).toContain('lost the manifest');
  });

  test('is tried again later when the cause may pass', async () => {
    world.staging = { capture: () => Promise.reject(new Error('socket hang up')) };
    await expect(publish('run-1')).rejects.toThrow('socket hang up');
    expect(await world.log.read(changeSet('run-1'))).toEqual([]);
  });

  test('waits until an earlier commit has moved the shadow', async () => {
    stage('a', 'hello');
    await built({ runId: 'run-1', sequence: 2n, type: JobType.SWITCH, switchToSequence: 1n });
    const started = await record('RunStarted', run('run-2'), { type: 'run', id: 'run-2' });
    await expect(compute(started)).rejects.toThrow(ShadowBehindCommit);
    await commitDigests(
      'run-1',
      1,
      new Uint8Array(32),
      digestOf(await world.store.writeManifest([])),
    );
    await compute(started);
    expect((await only('ChangeSetComputed', changeSet('run-2'))).counts?.added).toBe(1);
  });
});

describe('the content of a change set', () => {
  test('keeps its content from the collector until the run is closed', async () => {
    stage('a', 'hello');
    await publish('run-1');
    const computed = await only('ChangeSetComputed', changeSet('run-1'));
    const collect = () => collectGarbage(world.store, { clock, graceMs: -dayMs });
    expect(await collect()).toMatchObject({ isComplete: true, removedBlobs: 0 });
    const issued = await commitDigests(
      'run-1',
      1,
      computed.resultTreeDigest,
      computed.resultManifestDigest,
    );
    const contentPins = new ContentPins(world.pins, () => new Set());
    await contentPins.committed(issued);
    const run = { type: 'run', id: 'run-1' } as const;
    const closed = await record('RunClosed', { runId: 'run-1', status: 'completed' }, run);
    await contentPins.closed(closed as RecordedEvent<'RunClosed'>);
    // The manifest of the empty base is all that nobody needs any more.
    expect(await collect()).toMatchObject({ isComplete: true, removedBlobs: 1 });
    const manifest = await world.store.readManifest(hex(computed.resultManifestDigest));
    expect(manifest[0]?.type === 'file' && (await world.store.has(manifest[0].digest))).toBe(true);
  });

  test('is refused before anything is stored when there is no room for it', async () => {
    stage('a', 'hello');
    const caches = scanCacheFiles(join(world.directory, 'cache'));
    world.staging = localStaging(world.store, caches, async () => ({ freeBytes: 0 }));
    await publish('run-1');
    const { reason } = await only('ChangeSetFailed', changeSet('run-1'));
    expect(reason).toContain('do not fit');
    for await (const blob of world.store.blobs()) expect(blob.sizeBytes).toBe(0);
  });
});

describe('the change set of another job', () => {
  const job = async (runId: string, more: object) => {
    await publish(runId, more as never);
    return only('ChangeSetComputed', changeSet(runId));
  };
  const resultOf = async (computed: { resultManifestDigest: Uint8Array }) =>
    (await world.store.readManifest(hex(computed.resultManifestDigest))).map(({ path }) => path);

  beforeEach(async () => {
    for (const name of ['a', 'b']) stage(name, 'hello');
    await publish('run-1');
    await commit('run-1', 1);
    stage('c', 'not published');
  });

  test('removes paths from what is live, whatever is staged', async () => {
    const computed = await job('run-2', { type: JobType.REMOVE, paths: ['./b/'] });
    expect(await resultOf(computed)).toEqual(['a']);
    expect(computed.counts).toMatchObject({ deleted: 1, files: 1 });
    expect(await resultOf(await job('run-3', { type: JobType.REMOVE }))).toEqual([]);
  });

  test('sends some paths to servers that have nothing, and names what is not live', async () => {
    const hot = { type: JobType.HOT, paths: ['b'], keepsLiveVersion: true };
    const computed = await job('run-2', hot);
    expect([...computed.baseTreeDigest, ...(await resultOf(computed))]).toEqual(['b']);
    await publish('run-3', { ...hot, paths: ['c'] } as never);
    expect((await only('ChangeSetFailed', changeSet('run-3'))).reason).toContain('"c"');
  });

  test('goes to the tree that the run names', async () => {
    const manifestDigest = digestOf(await world.store.writeManifest([]));
    const wanted = { treeDigest: digestOf(treeDigest([])), manifestDigest };
    const computed = await job('run-2', { type: JobType.ROLLBACK, wanted });
    expect(computed.counts).toMatchObject({ deleted: 2, files: 0 });
    await publish('run-3', { type: JobType.SYNCHRONIZE, wanted, keepsLiveVersion: true } as never);
    const { reason } = await only('ChangeSetFailed', changeSet('run-3'));
    expect(reason).toContain('went live meanwhile');
  });

  test('changes nothing for a checkpoint, which keeps what is live', async () => {
    const computed = await job('run-2', { type: JobType.CREATE_CHECKPOINT, checkpoint: 'safe' });
    expect(computed.resultTreeDigest).toEqual(computed.baseTreeDigest);
    const created = await only('CheckpointCreated', { type: 'checkpoint', id: 'www' });
    const treeDigest = computed.resultTreeDigest;
    expect(created).toMatchObject({ checkpoint: 'safe', runId: 'run-2', treeDigest });
  });
});

describe('the shadow of a site', () => {
  test('moves once for a commit that is delivered twice', async () => {
    const issued = await commitDigests('run-1', 1, new Uint8Array(32), new Uint8Array(32));
    await moveShadow(world.log, clock, issued, context('again'));
    expect((await world.log.read(shadow)).map(({ type }) => type)).toEqual(['ShadowMoved']);
  });

  test('goes back when all servers of a run switched back; the next run starts there', async () => {
    stage('a', 'healthy');
    await publish('run-1');
    await commit('run-1', 1);
    stage('a', 'not healthy');
    await publish('run-2');
    await commit('run-2', 2, ['web1', 'web2']);
    await built({ runId: 'run-2', type: JobType.SWITCH, sequence: 3n, switchToSequence: 2n });
    const missed = ['web1', 'web2'].map((node) => ({ node, status: NodeStatus.FAILED }));
    const failed = await record('RunFailed', { runId: 'run-2', site: 'www', missed }, outcome);
    await takeBackShadow(world.log, clock, failed, context('back'));
    await takeBackShadow(world.log, clock, failed, context('again'));
    const moves = await world.log.read(shadow);
    expect(moves.map(({ data }) => (data as ShadowMoved).sequence)).toEqual([1n, 2n, 1n]);
    const first = await only('ChangeSetComputed', changeSet('run-1'));
    await publish('run-3');
    const next = await only('ChangeSetComputed', changeSet('run-3'));
    expect(next.baseTreeDigest).toEqual(first.resultTreeDigest);
  });

  test('stays when a server did not say that it switched back', async () => {
    await commitDigests('run-1', 1, new Uint8Array(32), new Uint8Array(32));
    const digest = new Uint8Array(32).fill(1);
    await commitDigests('run-2', 2, digest, digest, ['web1', 'web2']);
    const missed = [
      { node: 'web1', status: NodeStatus.FAILED },
      { node: 'web2', status: NodeStatus.MISSING },
    ];
    const failed = await record('RunFailed', { runId: 'run-2', site: 'www', missed }, outcome);
    await takeBackShadow(world.log, clock, failed, context('back'));
    expect(await world.log.read(shadow)).toHaveLength(2);
  });

  test('gets a snapshot of what a run distributed, not of its switch', async () => {
    const containerDigest = new Uint8Array([9]);
    await built({ runId: 'run-0', assignmentId: 'old', sequence: 1n });
    await built({ runId: 'run-1', assignmentId: 'new', sequence: 2n, containerDigest });
    await built({ runId: 'run-1', assignmentId: 'switch', sequence: 3n, type: JobType.SWITCH });
    const completed = await complete({ runId: 'run-1', site: 'www' });
    await recordSnapshots(world.log, clock, completed, context('again'));
    const snapshot = await only('SnapshotRecorded', shadow);
    expect(snapshot).toMatchObject({ assignmentId: 'new', sequence: 2n, containerDigest });
  });

  test('gets no snapshot when nothing changed', async () => {
    await built({ runId: 'run-1', assignmentId: 'new', sequence: 2n });
    await complete({ runId: 'run-1', site: 'www', nothingChanged: true });
    expect(await world.log.read(shadow)).toEqual([]);
  });
});
