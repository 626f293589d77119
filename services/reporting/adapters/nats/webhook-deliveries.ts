import {
  AckPolicy,
  type ConsumerMessages,
  DeliverPolicy,
  type JetStreamManager,
  type JsMsg,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream';
import { type NatsConnection, nanos } from '@nats-io/nats-core';
import type { Clock } from '#libs/clock/clock.js';
import { type CloudEvent, cdEventOf, type WebhookRegistered } from '#libs/contracts/index.js';
import { eventStream } from '#libs/event-log/adapters/jetstream/streams.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import { type Logger, reasonOf } from '#libs/telemetry/logger.js';
import type { Webhooks } from '../../app/webhooks.js';
import { wants } from '../../domain/webhook.js';
import { postEvent, type Sent } from '../webhook-sender.js';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** Pauses between attempts, as Standard Webhooks recommends: the last comes after three days. */
export const retryDelaysMs: readonly number[] = [
  5_000,
  5 * minuteMs,
  30 * minuteMs,
  2 * hourMs,
  5 * hourMs,
  10 * hourMs,
  14 * hourMs,
  20 * hourMs,
  24 * hourMs,
];

const sideBySide = 8;
const lost = new Set(['heartbeats_missed', 'consumer_deleted', 'no_responders']);

export interface DeliveryOptions {
  readonly nats: NatsConnection;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly key: SigningKey;
  readonly retryDelaysMs: readonly number[];
  /** The receiver does not want any more. */
  gone(webhook: string, attempt: string): Promise<void>;
  gaveUp(
    webhook: string,
    event: CloudEvent,
    sequence: number,
    attempts: number,
    reason: string,
  ): Promise<void>;
}

export function consumerOf(webhook: string): string {
  return `webhook-${webhook}`;
}

/** Posts events to one webhook until it is stopped. The server remembers what was delivered. */
export class WebhookDeliveries {
  private messages: ConsumerMessages | undefined;
  private isStopped = false;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly settings: WebhookRegistered,
    /** Where it begins: the place of its registration. */
    private readonly afterSequence: number,
    private readonly options: DeliveryOptions,
  ) {}

  start(): void {
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.messages?.stop();
    await this.running;
  }

  private async run(): Promise<void> {
    const { nats, clock, logger } = this.options;
    const name = consumerOf(this.settings.webhook);
    while (!this.isStopped && !nats.isClosed()) {
      try {
        await ensureConsumer(await jetstreamManager(nats), name, this.afterSequence);
        const consumer = await jetstream(nats).consumers.get(eventStream, name);
        this.messages = await consumer.consume({
          max_messages: sideBySide,
          abort_on_missing_resource: true,
        });
        void giveUpWhenLost(this.messages);
        if (this.isStopped) this.messages.stop();
        for await (const message of this.messages) void this.deliver(message);
      } catch (error) {
        logger.warn('webhook interrupted', { webhook: name, reason: reasonOf(error) });
      }
      if (!this.isStopped) await new Promise<void>((resolve) => clock.schedule(1_000, resolve));
    }
  }

  private async deliver(message: JsMsg): Promise<void> {
    try {
      const event = message.json<CloudEvent>();
      if (!isWanted(this.settings, event)) return message.ack();
      const { key, clock } = this.options;
      await this.settle(message, event, await postEvent(key, this.settings, event, clock.nowMs()));
    } catch (error) {
      this.options.logger.error('webhook failed', { reason: reasonOf(error) });
      message.nak(this.options.retryDelaysMs[0]);
    }
  }

  private async settle(message: JsMsg, event: CloudEvent, sent: Sent): Promise<void> {
    const { webhook } = this.settings;
    const { deliveryCount, streamSequence } = message.info;
    if (sent.kind === 'delivered') return message.ack();
    if (sent.kind === 'gone') {
      message.nak();
      this.messages?.stop();
      return this.options.gone(webhook, `${streamSequence}/${deliveryCount}`);
    }
    const pauseMs = this.options.retryDelaysMs[deliveryCount - 1];
    if (pauseMs !== undefined) return message.nak(pauseMs);
    await this.options.gaveUp(webhook, event, streamSequence, deliveryCount, sent.reason);
    message.term(sent.reason);
  }
}

/** Whether an event is posted to a webhook. */
export function isWanted(settings: WebhookRegistered, event: CloudEvent): boolean {
  const type = event.type.slice(event.type.lastIndexOf('.') + 1);
  const { site } = (event.data ?? {}) as { site?: string };
  if (!wants(settings, type, site)) return false;
  return settings.format !== 'cdevents' || cdEventOf(event) !== undefined;
}

async function ensureConsumer(
  manager: JetStreamManager,
  name: string,
  afterSequence: number,
): Promise<void> {
  const isThere = await manager.consumers.info(eventStream, name).catch(() => undefined);
  if (isThere) return;
  await manager.consumers.add(eventStream, {
    durable_name: name,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(minuteMs),
    max_deliver: -1,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: afterSequence + 1,
  });
}

async function giveUpWhenLost(messages: ConsumerMessages): Promise<void> {
  for await (const { type } of messages.status()) if (lost.has(type)) messages.stop();
}

/** Deliveries that tell the log what they find out. */
export function webhookDeliveries(
  settings: WebhookRegistered,
  sequence: number,
  webhooks: Webhooks,
  given: Pick<DeliveryOptions, 'nats' | 'clock' | 'logger' | 'key'>,
  delaysMs = retryDelaysMs,
): WebhookDeliveries {
  return new WebhookDeliveries(settings, sequence, {
    ...given,
    retryDelaysMs: delaysMs,
    gone: async (webhook, attempt) => {
      const reason = `${settings.url} is gone: it answered with HTTP 410`;
      const cause = `${webhook}/${attempt}/gone`;
      await webhooks.found(webhook, { type: 'disable', webhook, reason }, cause);
    },
    gaveUp: async (webhook, event, eventSequence, attempts, reason) => {
      const failed = { webhook, eventId: event.id, attempts, reason };
      await webhooks.giveUp({ ...failed, eventSequence: BigInt(eventSequence) });
    },
  });
}
