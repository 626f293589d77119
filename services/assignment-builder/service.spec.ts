import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { openContainer } from '#libs/assignment/reader.js';
import { openContentStore } from '#libs/content-store/adapters/configured-store.js';
import { emptyManifest, type Manifest, treeDigest } from '#libs/content-store/manifest.js';
import { type DomainEvent, event, JobType, type RecordedEvent } from '#libs/contracts/index.js';
import { type EventLog, noEvents } from '#libs/event-log/event-log.js';
import { controlKeysIn } from '#libs/keys/adapters/file-keys.js';
import { type RunningService, startService } from '#libs/nest-jetstream/service.js';
import { EVENT_LOG } from '#libs/nest-jetstream/tokens.js';
import { type TestS3, withS3 } from '#test/support/s3-server.js';
import { type TestNats, withNats } from '#test/support/servers.js';
import { definition } from './service.js';

const places = ['on disk', 'in a bucket'] as const;
const bucketVariables = ['ENDPOINT', 'BUCKET', 'ACCESS_KEY_ID', 'SECRET_ACCESS_KEY'];

let dataDir: string;
let nats: TestNats;
let bucket: TestS3 | undefined;
let service: RunningService;
let log: EventLog;

/** Starts the service with its content store in that place. */
async function start(place: (typeof places)[number]): Promise<void> {
  dataDir = await mkdtemp(join(tmpdir(), 'espalier-assignment-builder-'));
  nats = await withNats();
  if (place === 'in a bucket') {
    bucket = await withS3();
    const { endpoint, bucket: name, accessKeyId, secretAccessKey } = bucket.location;
    for (const [index, value] of [endpoint, name, accessKeyId, secretAccessKey].entries()) {
      process.env[`ESPALIER_S3_${bucketVariables[index]}`] = value;
    }
  }
  service = await startService(definition, {
    natsUrl: nats.url,
    natsUser: nats.user,
    natsPassword: nats.password,
    natsMonitorUrl: nats.monitorUrl,
    httpHost: '127.0.0.1',
    dataDir,
    allowLazySync: false,
  });
  log = service.app.get<EventLog>(EVENT_LOG);
}

afterEach(async () => {
  await service?.close();
  await nats?.stop();
  await bucket?.close();
  bucket = undefined;
  for (const name of bucketVariables) delete process.env[`ESPALIER_S3_${name}`];
  await rm(dataDir, { recursive: true, force: true });
});

const append = (type: 'run' | 'changeset' | 'outcome', happened: DomainEvent) =>
  log.append(
    { type, id: 'r1' },
    noEvents,
    [happened],
    { actor: 'test', correlationId: 'r1', causationId: `test-${happened.type}` },
    1,
  );

/** The first `count` assignments of the site. */
async function assignments(count: number): Promise<RecordedEvent<'AssignmentBuilt'>['data'][]> {
  const subscription = log.subscribe({ afterSequence: 0, aggregateTypes: ['assignment'] });
  const built: RecordedEvent<'AssignmentBuilt'>['data'][] = [];
  for await (const recorded of subscription) {
    if (recorded.type !== 'AssignmentBuilt') throw new Error(JSON.stringify(recorded.data));
    built.push(recorded.data);
    if (built.length === count) break;
  }
  await subscription.close();
  return built;
}

test.each(places)(
  'with content %s a change set becomes an assignment, a commit a switch',
  async (place) => {
    await start(place);
    const { store } = openContentStore(dataDir, process.env);
    const text = Buffer.from('hello');
    const file = { type: 'file', path: 'a', mode: 0o644, mtimeMs: 1, sizeBytes: 5 } as const;
    const tree: Manifest = [{ ...file, digest: await store.write(text) }];
    const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
    const manifestDigest = bytes(await store.writeManifest(tree));
    const run = { runId: 'r1', site: 'www' };
    const targets = [{ segment: 'paris', nodes: ['paris-1'] }];
    await append('run', event('RunStarted', { ...run, type: JobType.PUBLISH, targets }));
    await append(
      'changeset',
      event('ChangeSetComputed', {
        ...run,
        resultTreeDigest: bytes(treeDigest(tree)),
        baseManifestDigest: bytes(await store.writeManifest(emptyManifest)),
        resultManifestDigest: manifestDigest,
      }),
    );
    const [prepared] = await assignments(1);
    expect(prepared).toMatchObject({
      assignmentId: 'www-1',
      type: JobType.PUBLISH,
      commandCount: 1n,
    });
    const commit = { ...run, sequence: 1n, prepared: targets, manifestDigest };
    await append('outcome', event('CommitIssued', commit));
    const [, switched] = await assignments(2);
    expect(switched).toMatchObject({ assignmentId: 'www-2', switchToSequence: 1n });
    const trust = await controlKeysIn(join(dataDir, 'keys')).trustRoot();
    for (const built of [prepared, switched]) {
      const digest = Buffer.from(built?.containerDigest ?? []).toString('hex');
      const head = await openContainer(await store.localPath(digest), trust);
      expect(head.header.assignmentId).toBe(built?.assignmentId);
    }
  },
);
