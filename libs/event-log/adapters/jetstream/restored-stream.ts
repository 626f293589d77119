import {
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  type JetStreamManager,
  jetstream,
  type PubAck,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { CloudEvent } from '#libs/contracts/index.js';
import type { ArchivedEvent } from '../../archived-log.js';
import { messageOfText } from './stored-events.js';
import { eventStream, isStreamMissing, laneStream } from './streams.js';

const publishTimeoutMs = 10_000;
const publishedAtOnce = 256;
/** Longer than two beats of the lanes of any service. */
const listenMs = 2_800;

/** The stream could not be written as it was: somebody else appends to it, or it refused. */
export class RestoreInterrupted extends Error {
  override readonly name = 'RestoreInterrupted';
}

/** Whether a replica of any service beats: it reads the stream, and may append to it. */
export async function servicesRun(manager: JetStreamManager): Promise<boolean> {
  const beats = async () => {
    try {
      return (await manager.streams.info(laneStream)).state.last_seq;
    } catch (error) {
      if (isStreamMissing(error)) return 0;
      throw error;
    }
  };
  const before = await beats();
  if (before === 0) return false;
  await new Promise((resolve) => setTimeout(resolve, listenMs));
  return (await beats()) !== before;
}

/** The durable consumers of the stream, each to go on after what it has handled. */
export async function durablePositions(manager: JetStreamManager): Promise<ConsumerConfig[]> {
  const positions: ConsumerConfig[] = [];
  for await (const info of manager.consumers.list(eventStream)) {
    if (info.config.durable_name) positions.push(positionOf(info));
  }
  return positions;
}

function positionOf({ config, ack_floor }: ConsumerInfo): ConsumerConfig {
  const { opt_start_time: _, ...rest } = config;
  const opt_start_seq = ack_floor.stream_seq + 1;
  return { ...rest, deliver_policy: DeliverPolicy.StartSequence, opt_start_seq };
}

/** Makes consumers that do not exist, where they had come to. */
export async function makeConsumers(
  manager: JetStreamManager,
  consumers: readonly ConsumerConfig[],
): Promise<void> {
  const present = new Set<string>();
  for await (const { name } of manager.consumers.list(eventStream)) present.add(name);
  for (const consumer of consumers) {
    const name = consumer.durable_name ?? '';
    if (!present.has(name)) await manager.consumers.add(eventStream, consumer);
  }
}

/** An empty stream of the same kind in the place of the stream; its consumers go with it. */
export async function emptyStream(manager: JetStreamManager): Promise<void> {
  const { config } = await manager.streams.info(eventStream);
  await manager.streams.delete(eventStream);
  await manager.streams.add(config);
}

/**
 * Publishes stored events, each at its own sequence, after the stream's last.
 * @returns how many
 * @throws RestoreInterrupted when a sequence is missing, or the stream is not as it was left
 */
export async function publishStored(
  nats: NatsConnection,
  events: AsyncIterable<ArchivedEvent>,
  afterSequence: number,
): Promise<number> {
  const client = jetstream(nats);
  let last = afterSequence;
  let window: Promise<void>[] = [];
  const settle = async () => {
    const settled = await Promise.allSettled(window);
    window = [];
    const failed = settled.find(({ status }) => status === 'rejected');
    if (failed) throw (failed as PromiseRejectedResult).reason;
  };
  for await (const { sequence, body } of events) {
    if (sequence !== last + 1) throw new RestoreInterrupted(`event ${last + 1} is nowhere`);
    const message = messageOfText(attributesOf(body), body);
    const published = client.publish(message.subject, message.data, {
      headers: message.headers(),
      ...(message.id ? { msgID: message.id } : {}),
      expect: { lastSequence: last },
      timeout: publishTimeoutMs,
      retries: 1,
    });
    window.push(published.then((acknowledgement) => requireSequence(acknowledgement, sequence)));
    last = sequence;
    if (window.length === publishedAtOnce) await settle();
  }
  await settle();
  return last - afterSequence;
}

function requireSequence({ seq, duplicate }: PubAck, sequence: number): void {
  if (seq === sequence && !duplicate) return;
  throw new RestoreInterrupted(`event ${sequence} was stored at ${seq}`);
}

/** What can be read of an event that may be damaged. */
function attributesOf(body: string): Partial<CloudEvent> {
  try {
    const stored: unknown = JSON.parse(body);
    return typeof stored === 'object' && stored !== null ? stored : {};
  } catch {
    return {};
  }
}
