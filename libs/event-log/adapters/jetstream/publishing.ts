import { JetStreamApiError, type JetStreamClient, type PubAck } from '@nats-io/jetstream';
import { type NatsConnection, nuid } from '@nats-io/nats-core';
import type { Slots } from '#libs/nest-jetstream/keyed-queue.js';
import { AlreadyPublished, type Patience, retrying } from './retrying.js';
import type { Message } from './stored-events.js';

const expectedSequenceHeader = 'Nats-Expected-Last-Subject-Sequence';

/** Messages of one aggregate, after its expected last sequence. */
export interface ExpectedMessages {
  readonly expectedSequence: number;
  readonly messages: readonly Message[];
}

/** Publishes one message after the expected one of its subject. @returns its sequence */
export async function publishOne(
  client: JetStreamClient,
  message: Message,
  expectedSequence: number,
  patience: Patience,
): Promise<number> {
  const acknowledgement = await retrying('appending an event', patience, () =>
    client.publish(message.subject, message.data, {
      msgID: message.id,
      headers: message.headers(),
      expect: { lastSubjectSequence: expectedSequence },
      timeout: patience.attemptTimeoutMs,
    }),
  );
  if (acknowledgement.duplicate) throw new AlreadyPublished(message.id);
  return acknowledgement.seq;
}

/**
 * Publishes all or nothing, so many batches at once as there are slots. By hand, because the
 * client's own batches ignore expectations.
 * @returns the sequence of the first message; the others follow without gaps
 */
export async function publishAtomically(
  nats: NatsConnection,
  groups: readonly ExpectedMessages[],
  patience: Patience,
  batches: Slots,
): Promise<number> {
  const count = groups.reduce((sum, { messages }) => sum + messages.length, 0);
  const last = await retrying('appending events', patience, () =>
    batches.use(() => publishBatch(nats, groups, count, patience.attemptTimeoutMs)),
  );
  return last - count + 1;
}

async function publishBatch(
  nats: NatsConnection,
  groups: readonly ExpectedMessages[],
  count: number,
  timeoutMs: number,
): Promise<number> {
  const batchId = nuid.next();
  let sequence = 0;
  for (const { expectedSequence, messages } of groups) {
    for (const [index, message] of messages.entries()) {
      sequence += 1;
      const headers = message.headers();
      headers.set('Nats-Msg-Id', message.id);
      headers.set('Nats-Batch-Id', batchId);
      headers.set('Nats-Batch-Sequence', String(sequence));
      if (index === 0) headers.set(expectedSequenceHeader, String(expectedSequence));
      if (sequence < count) {
        nats.publish(message.subject, message.data, { headers });
        continue;
      }
      headers.set('Nats-Batch-Commit', '1');
      const reply = await nats.request(message.subject, message.data, {
        headers,
        timeout: timeoutMs,
      });
      return sequenceOf(reply.json<BatchReply>());
    }
  }
  throw new RangeError('an append of no events');
}

type BatchReply = PubAck & { error?: { code: number; err_code: number; description: string } };

function sequenceOf(reply: BatchReply): number {
  if (reply.error) throw new JetStreamApiError(reply.error);
  return reply.seq;
}
