import { create } from '@bufbuild/protobuf';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { Controller, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import {
  type CloudEvent,
  DeadLetterDetailSchema,
  DeadLettersListSchema,
  DeadLettersOfSchema,
  DeadLettersQuerySchema,
  DeadLettersRetriedSchema,
  subjects,
} from '#libs/contracts/index.js';
import type { DeadLetter } from '#libs/nest-jetstream/dead-letters.js';
import { ParkedAggregates } from '#libs/nest-jetstream/parked-aggregates.js';
import { ServiceClient } from '#libs/nest-jetstream/service-client.js';
import { NATS } from '#libs/nest-jetstream/tokens.js';
import { replyJson } from '../../app/json.js';

const timeoutMs = 60_000;
/** Projections keep theirs in the database of reporting. */
const isOfProjection = (consumer: string) => consumer.startsWith('read-models');

/** What could not be handled, by consumer and aggregate. */
@Controller('api/v1/dead-letters')
export class DeadLettersController {
  private readonly parked: ParkedAggregates;

  constructor(
    @Inject(NATS) nats: NatsConnection,
    @Inject(ServiceClient) private readonly services: ServiceClient,
  ) {
    this.parked = new ParkedAggregates(nats, () => jetstreamManager(nats));
  }

  @Get()
  async list() {
    const consumers = await this.parked.list();
    const { deadLetters } = await this.services.request(
      subjects.command('reporting', 'ParkedEvents'),
      DeadLettersQuerySchema,
      DeadLettersListSchema,
      {},
      timeoutMs,
    );
    const views = consumers.map(({ consumer, aggregate, letters }) => ({
      consumer,
      aggregate,
      letters: letters.length,
      sequence: BigInt(letters[0]?.streamSequence ?? 0),
      reason: letters[0]?.reason ?? '',
      since: new Date(letters[0]?.parkedAtMs ?? 0).toISOString(),
    }));
    const list = create(DeadLettersListSchema, { deadLetters: [...views, ...deadLetters] });
    return replyJson(DeadLettersListSchema, list);
  }

  @Get(':consumer/:aggregate')
  async show(@Param('consumer') consumer: string, @Param('aggregate') aggregate: string) {
    if (isOfProjection(consumer)) {
      const query = { consumer, aggregate };
      const subject = subjects.command('reporting', 'ParkedEventsOf');
      const schemas = [DeadLettersOfSchema, DeadLetterDetailSchema] as const;
      const detail = await this.services.request(subject, ...schemas, query, timeoutMs);
      return replyJson(DeadLetterDetailSchema, detail);
    }
    const { letters } = await this.parked.find(consumer, aggregate);
    const detail = create(DeadLetterDetailSchema, { letters: letters.map(viewOf) });
    return replyJson(DeadLetterDetailSchema, detail);
  }

  @Post(':consumer/:aggregate/retry')
  @HttpCode(200)
  async retry(@Param('consumer') consumer: string, @Param('aggregate') aggregate: string) {
    if (isOfProjection(consumer)) {
      const query = { consumer, aggregate };
      const subject = subjects.command('reporting', 'RetryParkedEvents');
      const schemas = [DeadLettersOfSchema, DeadLettersRetriedSchema] as const;
      const retried = await this.services.request(subject, ...schemas, query, timeoutMs);
      return replyJson(DeadLettersRetriedSchema, retried);
    }
    const answer = await this.parked.retry(consumer, aggregate);
    return replyJson(DeadLettersRetriedSchema, create(DeadLettersRetriedSchema, answer));
  }
}

function viewOf(letter: DeadLetter) {
  const body = Buffer.from(letter.data).toString('utf8');
  return {
    sequence: BigInt(letter.streamSequence),
    type: typeIn(body),
    reason: letter.reason,
    attempts: letter.attempts,
    parkedAt: new Date(letter.parkedAtMs).toISOString(),
    body,
  };
}

/** Reports are no CloudEvents, and a letter may be damaged. */
function typeIn(body: string): string {
  try {
    return (JSON.parse(body) as CloudEvent).type ?? '';
  } catch {
    return '';
  }
}
