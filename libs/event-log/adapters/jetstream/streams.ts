import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import { type NatsConnection, nanos } from '@nats-io/nats-core';
import { DomainError, subjects } from '#libs/contracts/index.js';

export const eventStream = 'EVENTS';
export const ingressStream = 'INGRESS';
export const deadLetterStream = 'DLQ';
/** Copies of events in the words of CDEvents, for pipelines; kept 7 days. */
export const pipelineStream = 'CDEVENTS';
/** Which replica reads what: forgotten when NATS restarts, and then decided anew. */
export const laneStream = 'LANES';
/** What happens outside and makes jobs run; other systems publish here. */
export const triggerStream = 'TRIGGERS';

/** Those on disk. */
export const keptStreams = [
  eventStream,
  ingressStream,
  triggerStream,
  deadLetterStream,
  pipelineStream,
] as const;

/** What a service could not handle: `dlq.<consumer>.<aggregate>`; for people, not for services. */
export const deadLetterSubjects = 'dlq.>';

const weekMs = 7 * 24 * 3600 * 1000;
const duplicateWindowMs = 2 * 60 * 1000;

type Wanted = Partial<StreamConfig> & Pick<StreamConfig, 'name' | 'subjects'>;

/** A stream with the right name that would lose events or reports. */
export class StreamMismatch extends DomainError {
  override readonly name = 'StreamMismatch';
}

/**
 * Creates the streams that do not exist yet. Copies of a stream are decided when it is created.
 * @throws StreamMismatch when one exists that is not what the services rely on
 */
export async function ensureStreams(nats: NatsConnection, replicas = 1): Promise<void> {
  const manager = await jetstreamManager(nats);
  for (const wanted of wantedStreams(replicas)) await ensureStream(manager, wanted);
}

function wantedStreams(replicas: number): Wanted[] {
  const common = {
    storage: StorageType.File,
    num_replicas: replicas,
    retention: RetentionPolicy.Limits,
    deny_delete: true,
    allow_rollup_hdrs: false,
    allow_direct: true,
    duplicate_window: nanos(duplicateWindowMs),
  };
  return [
    {
      ...common,
      name: eventStream,
      subjects: [subjects.events],
      discard: DiscardPolicy.New,
      max_age: 0,
      allow_atomic: true,
    },
    { ...common, name: ingressStream, subjects: [subjects.ingress], max_age: nanos(weekMs) },
    { ...common, name: triggerStream, subjects: [subjects.triggers], max_age: nanos(weekMs) },
    { ...common, name: deadLetterStream, subjects: [deadLetterSubjects], max_age: 0 },
    {
      ...common,
      name: pipelineStream,
      subjects: ['cdevents.>'],
      max_age: nanos(weekMs),
    },
    lanes(replicas),
  ];
}

function lanes(replicas: number): Wanted {
  return {
    name: laneStream,
    subjects: ['lanes.*'],
    storage: StorageType.Memory,
    num_replicas: replicas,
    max_msgs_per_subject: 1,
    allow_direct: true,
  };
}

/** Creates the stream of lanes again, which a server forgets when it restarts. */
export async function renewLaneStream(manager: JetStreamManager): Promise<void> {
  const { config } = await manager.streams.info(eventStream);
  await ensureStream(manager, lanes(config.num_replicas));
}

async function ensureStream(manager: JetStreamManager, wanted: Wanted): Promise<void> {
  const present = await configOf(manager, wanted.name);
  if (!present) {
    await manager.streams.add(wanted);
    return;
  }
  checkSafe(present, wanted);
  if (wanted.allow_atomic && !present.allow_atomic) await enableAtomic(manager, wanted.name);
}

async function configOf(
  manager: JetStreamManager,
  name: string,
): Promise<StreamConfig | undefined> {
  try {
    return (await manager.streams.info(name)).config;
  } catch (error) {
    if (isStreamMissing(error)) return undefined;
    throw error;
  }
}

export function isStreamMissing(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound;
}

/** A stream that an older server made; a server that knows no atomic batches ignores the wish. */
async function enableAtomic(manager: JetStreamManager, name: string): Promise<void> {
  await manager.streams.update(name, { allow_atomic: true });
}

/** What must not differ; anything else is the operator's choice. */
const relied: readonly (keyof StreamConfig)[] = [
  'subjects',
  'storage',
  'retention',
  'max_age',
  'deny_delete',
  'allow_rollup_hdrs',
  'discard',
];

function checkSafe(present: StreamConfig, wanted: Wanted): void {
  for (const key of relied) {
    const want = wanted[key];
    if (want === undefined || JSON.stringify(present[key]) === JSON.stringify(want)) continue;
    throw new StreamMismatch(
      `the stream ${wanted.name} has ${key} ${JSON.stringify(present[key])} ` +
        `instead of ${JSON.stringify(want)}`,
      'use another NATS account, or change the stream with `nats stream edit`',
    );
  }
}
