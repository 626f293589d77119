import type { JsonValue } from '@bufbuild/protobuf';

/** The stored form: structured CloudEvents 1.0 JSON; `data` is protobuf JSON. */
export interface CloudEvent {
  specversion: '1.0';
  id: string;
  source: string;
  type: string;
  subject: string;
  time: string;
  datacontenttype: 'application/json';
  data: JsonValue;
  actor: string;
  correlationid: string;
  causationid: string;
  aggregatetype: string;
  aggregateversion: number;
  traceparent?: string;
  /** Why, in the words of the actor. */
  reason?: string;
}
