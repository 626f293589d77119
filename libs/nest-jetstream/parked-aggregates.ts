import type { JetStreamManager } from '@nats-io/jetstream';
import { errors, type NatsConnection } from '@nats-io/nats-core';
import { DomainError, fromSubjectToken } from '#libs/contracts/index.js';
import { type DeadLetter, parkedSubjects, readLetters } from './dead-letters.js';
import { type RetryAnswer, retrySubject } from './service-lanes.js';

/** What a retry may take: it handles all letters of an aggregate, one after the other. */
const retryTimeoutMs = 60_000;
const lettersPerAggregate = 100;

/** What waits of one aggregate. */
export interface ParkedAggregate {
  readonly consumer: string;
  /** `type.id` */
  readonly aggregate: string;
  readonly letters: readonly DeadLetter[];
}

export class NoDeadLetters extends DomainError {
  override readonly name = 'NoDeadLetters';
  constructor(consumer: string, aggregate: string) {
    super(`${consumer} has no dead letters of ${aggregate}`, 'espalier dlq list shows them');
  }
}

export class NobodyRetries extends DomainError {
  override readonly name = 'NobodyRetries';
  constructor(consumer: string) {
    super(`no replica reads ${consumer} at present`, 'start its service, and try again');
  }
}

/** The dead letters of all services' consumers, for people. */
export class ParkedAggregates {
  constructor(
    private readonly nats: NatsConnection,
    private readonly manager: () => Promise<JetStreamManager>,
  ) {}

  async list(): Promise<ParkedAggregate[]> {
    const manager = await this.manager();
    const found: ParkedAggregate[] = [];
    for (const subject of await parkedSubjects(manager, 'dlq.>')) {
      const [, consumer = '', type = '', token = ''] = subject.split('.');
      const letters = await readLetters(manager, subject, lettersPerAggregate);
      found.push({ consumer, aggregate: `${type}.${fromSubjectToken(token)}`, letters });
    }
    return found;
  }

  /** @throws NoDeadLetters */
  async find(consumer: string, aggregate: string): Promise<ParkedAggregate> {
    const all = await this.list();
    const found = all.find((one) => one.consumer === consumer && one.aggregate === aggregate);
    if (!found) throw new NoDeadLetters(consumer, aggregate);
    return found;
  }

  /** Has them handled again, in their order, by who reads the aggregate. @throws NoDeadLetters */
  async retry(consumer: string, aggregate: string): Promise<RetryAnswer> {
    const { letters } = await this.find(consumer, aggregate);
    const subject = letters[0]?.subject ?? '';
    const options = { timeout: retryTimeoutMs };
    try {
      const answer = await this.nats.request(retrySubject(consumer), subject, options);
      return answer.json<RetryAnswer>();
    } catch (error) {
      if (error instanceof errors.RequestError || error instanceof errors.TimeoutError) {
        throw new NobodyRetries(consumer);
      }
      throw error;
    }
  }
}
