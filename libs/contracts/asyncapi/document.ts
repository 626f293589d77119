import { type EventType, eventCatalogue, wireName } from '../event-catalogue.js';
import type { AggregateType } from '../recorded-event.js';
import { partitionCount } from '../subjects.js';
import { type Comments, type JsonSchema, messagesOf, schemaOf } from './json-schema.js';

/**
 * The AsyncAPI 3 document of all events: what a consumer finds on which NATS subject.
 * @param ownerOf the kind of aggregate that each event belongs to
 */
export function asyncApiDocument(
  comments: Comments,
  ownerOf: Readonly<Record<EventType, AggregateType>>,
): JsonSchema {
  const types = (Object.keys(eventCatalogue) as EventType[]).sort();
  const owners = [...new Set(types.map((type) => ownerOf[type]))].sort();
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Espalier events',
      version: '1.0.0',
      description:
        'Every domain event, as CloudEvents 1.0 in structured JSON, in the JetStream stream ' +
        'EVENTS. Fields are only ever added; an incompatible change gets a new type.',
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/cloudevents+json',
    servers: {
      nats: { host: '127.0.0.1:4222', protocol: 'nats', description: 'The operator’s NATS.' },
    },
    channels: Object.fromEntries(owners.map((owner) => [owner, channel(owner, types, ownerOf)])),
    operations: Object.fromEntries(owners.map((owner) => [`read-${owner}`, operation(owner)])),
    components: {
      messages: Object.fromEntries(types.map((type) => [type, message(type, comments)])),
      schemas: schemas(types, comments),
    },
  };
}

function channel(
  owner: AggregateType,
  types: readonly EventType[],
  ownerOf: Readonly<Record<EventType, AggregateType>>,
): JsonSchema {
  const own = types.filter((type) => ownerOf[type] === owner);
  return {
    address: `ev.${owner}.{id}.{partition}`,
    description: `Events of each ${owner}, in order and without gaps of aggregateversion.`,
    parameters: {
      id: {
        description: 'Identifier as one subject token: other characters than A-Za-z0-9_- as =XX',
      },
      partition: { description: `0 to ${partitionCount - 1}, from the aggregate's name` },
    },
    messages: Object.fromEntries(
      own.map((type) => [type, { $ref: `#/components/messages/${type}` }]),
    ),
    'x-jetstream': { stream: 'EVENTS', subject: `ev.${owner}.*.*` },
  };
}

function operation(owner: AggregateType): JsonSchema {
  return { action: 'send', channel: { $ref: `#/channels/${owner}` } };
}

function message(type: EventType, comments: Comments): JsonSchema {
  const { name } = eventCatalogue[type];
  return {
    name: wireName(type),
    title: type,
    summary: comments(name),
    contentType: 'application/cloudevents+json',
    payload: {
      allOf: [
        { $ref: '#/components/schemas/CloudEvent' },
        {
          type: 'object',
          properties: {
            type: { type: 'string', const: wireName(type) },
            data: { $ref: `#/components/schemas/${name}` },
          },
        },
      ],
    },
  };
}

function schemas(types: readonly EventType[], comments: Comments): JsonSchema {
  const messages = new Map(types.flatMap((type) => [...messagesOf(eventCatalogue[type])]));
  const sorted = [...messages.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const found = sorted.map((each) => [each.name, schemaOf(each, comments)]);
  return { CloudEvent: cloudEvent, ...Object.fromEntries(found) };
}

const text = (description: string): JsonSchema => ({ type: 'string', description });

const cloudEvent: JsonSchema = {
  type: 'object',
  required: [
    'specversion',
    'id',
    'source',
    'type',
    'subject',
    'time',
    'data',
    'actor',
    'correlationid',
    'causationid',
    'aggregatetype',
    'aggregateversion',
  ],
  properties: {
    specversion: { type: 'string', const: '1.0' },
    id: text('Unique in the log; the same however often the event is delivered'),
    source: text('/espalier/<kind of aggregate>'),
    type: text('espalier.v1.<event>'),
    subject: text('Identifier of the aggregate'),
    time: { type: 'string', format: 'date-time' },
    datacontenttype: { type: 'string', const: 'application/json' },
    data: { type: 'object' },
    actor: text('Who: cli:<user>, service:<name>, agent:<node>'),
    correlationid: text('The run that it belongs to, or the command'),
    causationid: text('The event or the command that caused it'),
    aggregatetype: text('Kind of the aggregate'),
    aggregateversion: { type: 'integer', description: '1, 2, 3 ... in the aggregate' },
    traceparent: text('W3C trace context'),
    reason: text('Why, in the words of who gave the command'),
  },
};
