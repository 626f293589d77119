import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { expect } from '@jest/globals';
import {
  type MemoryContentStore,
  memoryContentStore,
} from '#libs/content-store/adapters/memory-store.js';
import { PinBook } from '#libs/content-store/pin-book.js';
import {
  type AggregateId,
  type AssignmentBuiltSchema,
  type CommitIssuedSchema,
  type DomainEvent,
  type EventContext,
  type EventType,
  event,
  JobType,
  type RecordedEvent,
  type RunCompletedSchema,
  type RunStartedSchema,
} from '#libs/contracts/index.js';
import { type EventLog, noEvents } from '#libs/event-log/event-log.js';
import { memoryLog } from '#libs/event-log/memory-log.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { localStaging } from '../adapters/local-staging.js';
import { scanCacheFiles } from '../adapters/scan-cache-file.js';
import type { Staging } from './dependencies.js';
import { computeChangeSet } from './publish-reaction.js';
import { moveShadow, recordSnapshots } from './shadow-reaction.js';

export const clock = new VirtualClock(1_000);

/** What the reactions of one test work on; made anew for each. */
export const world = {} as {
  directory: string;
  log: EventLog;
  store: MemoryContentStore;
  staging: Staging;
  pins: PinBook;
};

export function beginWorld(): void {
  world.directory = mkdtempSync(join(tmpdir(), 'espalier-delta-'));
  mkdirSync(join(world.directory, 'staging'));
  world.log = memoryLog();
  world.store = memoryContentStore(() => clock.nowMs());
  world.pins = new PinBook(world.store.shelf, clock);
  world.staging = localStaging(world.store, scanCacheFiles(join(world.directory, 'cache')));
}

export function endWorld(): void {
  rmSync(world.directory, { recursive: true });
}

export const shadow: AggregateId = { type: 'shadow', id: 'www' };
export const changeSet = (runId: string): AggregateId => ({ type: 'changeset', id: runId });
export const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
export const digestOf = (digest: string) => new Uint8Array(Buffer.from(digest, 'hex'));

export function stage(name: string, content: string): void {
  writeFileSync(join(world.directory, 'staging', name), content);
}

export function run(runId: string): MessageInitShape<typeof RunStartedSchema> {
  return { runId, site: 'www', type: JobType.PUBLISH, staging: join(world.directory, 'staging') };
}

export async function publish(runId: string, init: MessageInitShape<typeof RunStartedSchema> = {}) {
  const started = await record('RunStarted', { ...run(runId), ...init } as never, {
    type: 'run',
    id: runId,
  });
  await compute(started);
  return started;
}

export function compute(started: RecordedEvent<'RunStarted'>): Promise<void> {
  return computeChangeSet({ ...world, clock }, started, context(started.id));
}

export async function commit(runId: string, sequence: number, nodes: string[] = []) {
  const computed = await only('ChangeSetComputed', changeSet(runId));
  const { resultTreeDigest, resultManifestDigest } = computed;
  return commitDigests(runId, sequence, resultTreeDigest, resultManifestDigest, nodes);
}

export async function commitDigests(
  runId: string,
  sequence: number,
  treeDigest: Uint8Array,
  manifestDigest: Uint8Array,
  nodes: string[] = [],
) {
  const init: MessageInitShape<typeof CommitIssuedSchema> = {
    runId,
    site: 'www',
    sequence: BigInt(sequence),
    treeDigest,
    manifestDigest,
    prepared: [{ segment: 'paris', nodes }],
  };
  const issued = await record('CommitIssued', init, { type: 'outcome', id: runId });
  await moveShadow(world.log, clock, issued, context(issued.id));
  return issued;
}

export async function complete(init: MessageInitShape<typeof RunCompletedSchema>) {
  const completed = await record('RunCompleted', init, { type: 'outcome', id: 'run-1' });
  await recordSnapshots(world.log, clock, completed, context(completed.id));
  return completed;
}

export function built(init: MessageInitShape<typeof AssignmentBuiltSchema>) {
  const data = { site: 'www', type: JobType.PUBLISH, ...init } as typeof init;
  return record('AssignmentBuilt', data, { type: 'assignment', id: 'www' });
}

let causes = 0;

/** Appends what another service would append. */
export async function record<T extends EventType>(
  type: T,
  init: Parameters<typeof event<T>>[1],
  aggregate: AggregateId,
): Promise<RecordedEvent<T>> {
  const last = (await world.log.read(aggregate)).at(-1);
  const head = last ? { sequence: last.sequence, version: last.version } : noEvents;
  const appended = [event(type, init)] as unknown as DomainEvent[];
  const [recorded] = await world.log.append(
    aggregate,
    head,
    appended,
    context(`${causes++}`),
    1_000,
  );
  return recorded as unknown as RecordedEvent<T>;
}

export function context(causationId: string): EventContext {
  return { actor: 'test', correlationId: 'run', causationId };
}

/** The data of the only event of an aggregate, which is of this type. */
export async function only<T extends EventType>(type: T, aggregate: AggregateId) {
  const events = await world.log.read(aggregate);
  expect(events.map((recorded) => recorded.type)).toEqual([type]);
  return (events[0] as RecordedEvent as RecordedEvent<T>).data;
}
