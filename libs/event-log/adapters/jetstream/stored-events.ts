import type { JetStreamManager } from '@nats-io/jetstream';
import { headers, type MsgHdrs, type NatsConnection } from '@nats-io/nats-core';
import {
  type AggregateId,
  type AggregateType,
  type CloudEvent,
  cloudEventHeaders,
  eventFromText,
  fromCloudEvent,
  type PendingEvent,
  type RecordedEvent,
  subjects,
  toCloudEvent,
} from '#libs/contracts/index.js';
import { statusOf, within } from './retrying.js';
import { isAtLeast } from './server-checks.js';
import { eventStream } from './streams.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const eventsPerRequest = 1024;

/** An event on its way to the server. */
export interface Message {
  readonly subject: string;
  readonly id: string;
  readonly data: Uint8Array;
  /** Makes fresh headers at each call: the client writes into those it is given. */
  headers(): MsgHdrs;
}

export function messageOf(pending: PendingEvent): Message {
  const stored = toCloudEvent(pending);
  return messageOfText(stored, JSON.stringify(stored));
}

/** A stored event once more, to the letter; `stored` is what can be read of its text. */
export function messageOfText(stored: Partial<CloudEvent>, text: string): Message {
  const attributes = Object.entries(cloudEventHeaders(stored as CloudEvent));
  const [type, id] = [stored.aggregatetype ?? 'unknown', stored.subject ?? ''];
  return {
    subject: subjects.aggregate({ type: type as AggregateType, id }),
    id: stored.id ?? '',
    data: encoder.encode(text),
    headers() {
      const made = headers();
      for (const [key, value] of attributes) made.set(key, headerValue(value ?? ''));
      return made;
    },
  };
}

/** @throws UndecodableEvent */
export function eventOf(data: Uint8Array, sequence: number): RecordedEvent {
  return fromCloudEvent(JSON.parse(decoder.decode(data)) as CloudEvent, sequence);
}

/** As `eventOf`, but never throws: see `eventFromText`. */
export function anyEventOf(data: Uint8Array, sequence: number, withStored = false): RecordedEvent {
  const stored = decoder.decode(data);
  const event = eventFromText(stored, sequence);
  return withStored ? { ...event, stored } : event;
}

/** Percent-encoded where a header cannot hold it, as the CloudEvents binding asks. */
function headerValue(value: string): string {
  return value.replace(/[^\x20-\x24\x26-\x7e]/gu, encodeURIComponent);
}

/** Reads single aggregates. */
export class AggregateReader {
  private readonly canReadMany: boolean;

  constructor(
    nats: NatsConnection,
    private readonly manager: JetStreamManager,
    /** A stream with copies: any of them may answer a fast read, and may lag behind. */
    private readonly hasReplicas: boolean,
    private readonly timeoutMs: number,
  ) {
    this.canReadMany = isAtLeast(nats.info?.version ?? '', [2, 11, 0]);
  }

  async read(aggregate: AggregateId, afterSequence: number): Promise<RecordedEvent[]> {
    const subject = subjects.aggregate(aggregate);
    const events: RecordedEvent[] = [];
    if (this.canReadMany) await this.readMany(subject, events, afterSequence);
    if (!this.canReadMany || this.hasReplicas) {
      await this.readFromLeader(subject, events, afterSequence);
    }
    return events;
  }

  private async readMany(
    subject: string,
    events: RecordedEvent[],
    afterSequence: number,
  ): Promise<void> {
    for (;;) {
      const before = events.length;
      await within(this.timeoutMs, this.readBatch(subject, events, afterSequence));
      if (events.length - before < eventsPerRequest) return;
    }
  }

  private async readBatch(
    subject: string,
    events: RecordedEvent[],
    afterSequence: number,
  ): Promise<void> {
    const seq = (events.at(-1)?.sequence ?? afterSequence) + 1;
    try {
      const query = { seq, next_by_subj: subject, batch: eventsPerRequest };
      for await (const stored of await this.manager.direct.getBatch(eventStream, query)) {
        events.push(eventOf(stored.data, stored.seq));
      }
    } catch (error) {
      if (statusOf(error) !== 404) throw error;
    }
  }

  private async readFromLeader(
    subject: string,
    events: RecordedEvent[],
    afterSequence: number,
  ): Promise<void> {
    for (;;) {
      const seq = (events.at(-1)?.sequence ?? afterSequence) + 1;
      const query = { seq, next_by_subj: subject };
      const stored = await this.manager.streams.getMessage(eventStream, query);
      if (!stored) return;
      events.push(eventOf(stored.data, stored.seq));
    }
  }
}
