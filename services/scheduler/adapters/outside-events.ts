import { create } from '@bufbuild/protobuf';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Clock } from '#libs/clock/clock.js';
import { type OutsideEvent, OutsideEventSchema, subjects } from '#libs/contracts/index.js';
import { triggerStream } from '#libs/event-log/adapters/jetstream/streams.js';
import type { Delivery } from '#libs/nest-jetstream/dead-letters.js';
import { DurableConsumer, Unhandleable } from '#libs/nest-jetstream/durable-consumer.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { Jobs } from '../app/jobs.js';

const prefix = 'trigger.';

/**
 * Hears what other systems publish on `trigger.<type>`: their message needs an id, in the header
 * `ce-id` or `Nats-Msg-Id`, or in the field `id` of a JSON body. The replicas share the work.
 */
export async function hearOutsideEvents(
  nats: NatsConnection,
  jobs: Pick<Jobs, 'heard'>,
  clock: Clock,
  logger: Logger,
): Promise<DurableConsumer> {
  const consumer = new DurableConsumer({
    ...{ nats, clock, logger, stream: triggerStream, name: 'scheduler-triggers' },
    client: jetstream(nats),
    manager: await jetstreamManager(nats),
    filterSubjects: [subjects.triggers],
    deadLetters: 'scheduler-triggers',
    parksFollowers: false,
    describe: ({ subject, streamSequence }) => ({ subject, sequence: streamSequence }),
    async handle(message) {
      const event = outsideEventOf(message);
      await jobs.heard(event, { actor: `event:${event.type}`, commandId: event.id });
    },
  });
  await consumer.start();
  return consumer;
}

/** @throws Unhandleable for a message without an id: it could not be told from another */
export function outsideEventOf(message: Delivery): OutsideEvent {
  const body = bodyOf(message.data);
  const header = (name: string) => message.headers?.get(name) || undefined;
  const id = header('ce-id') ?? header('Nats-Msg-Id') ?? text(body.id);
  if (!id) throw new Unhandleable(`an event on ${message.subject} has no id`);
  const type = header('ce-type') ?? text(body.type) ?? message.subject.slice(prefix.length);
  return create(OutsideEventSchema, { id, type });
}

function bodyOf(data: Uint8Array): Record<string, unknown> {
  try {
    const body: unknown = JSON.parse(Buffer.from(data).toString());
    return typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
