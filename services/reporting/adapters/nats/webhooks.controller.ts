import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { Controller, Inject } from '@nestjs/common';
import type { Clock } from '#libs/clock/clock.js';
import {
  type CloudEvent,
  type RegisterWebhook,
  RegisterWebhookSchema,
  type ResendWebhook,
  ResendWebhookSchema,
  subjects,
  type WebhookCommand,
  WebhookCommandSchema,
  WebhookListSchema,
  WebhookResentSchema,
  WebhookSecretSchema,
  WebhooksQuerySchema,
} from '#libs/contracts/index.js';
import { eventStream } from '#libs/event-log/adapters/jetstream/streams.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import type { Caller } from '#libs/nest-jetstream/context.js';
import { OnCommand, OnRequest } from '#libs/nest-jetstream/decorators.js';
import { CLOCK, NATS } from '#libs/nest-jetstream/tokens.js';
import { Webhooks } from '../../app/webhooks.js';
import { UnknownWebhook } from '../../domain/webhook.js';
import { AUDIT_KEY, WHOLE_LOG } from '../../tokens.js';
import { postEvent, secretOf } from '../webhook-sender.js';
import { consumerOf, isWanted } from './webhook-deliveries.js';

const command = (name: string) => subjects.command('reporting', name);

/** Webhooks: who is told of events by HTTP. */
@Controller()
export class WebhooksController {
  constructor(
    @Inject(Webhooks) private readonly webhooks: Webhooks,
    @Inject(WHOLE_LOG) private readonly log: EventLog,
    @Inject(AUDIT_KEY) private readonly key: SigningKey,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(NATS) private readonly nats: NatsConnection,
  ) {}

  @OnCommand('reporting', 'RegisterWebhook', RegisterWebhookSchema)
  register(settings: RegisterWebhook, caller: Caller) {
    return this.webhooks.register(settings, caller);
  }

  @OnCommand('reporting', 'DisableWebhook', WebhookCommandSchema)
  disable({ webhook }: WebhookCommand, caller: Caller) {
    const reason = `disabled by ${caller.actor}`;
    return this.webhooks.change(webhook, { type: 'disable', webhook, reason }, caller);
  }

  @OnCommand('reporting', 'EnableWebhook', WebhookCommandSchema)
  enable({ webhook }: WebhookCommand, caller: Caller) {
    return this.webhooks.change(webhook, { type: 'enable', webhook }, caller);
  }

  @OnCommand('reporting', 'DeleteWebhook', WebhookCommandSchema)
  async delete({ webhook }: WebhookCommand, caller: Caller) {
    const deleted = await this.webhooks.change(webhook, { type: 'delete', webhook }, caller);
    const manager = await jetstreamManager(this.nats);
    await manager.consumers.delete(eventStream, consumerOf(webhook)).catch(() => undefined);
    return deleted;
  }

  @OnRequest(command('WebhookSecret'), WebhookCommandSchema, WebhookSecretSchema)
  async secret({ webhook }: WebhookCommand) {
    this.find(webhook);
    return { webhook, secret: secretOf(this.key, webhook) };
  }

  @OnRequest(command('Webhooks'), WebhooksQuerySchema, WebhookListSchema)
  async list() {
    const manager = await jetstreamManager(this.nats);
    const views = this.webhooks.all.map(async ({ settings, disabledFor }) => {
      const { $typeName: _, ...shown } = settings;
      const name = consumerOf(settings.webhook);
      const info = await manager.consumers.info(eventStream, name).catch(() => undefined);
      return {
        ...shown,
        status: disabledFor === undefined ? 'active' : 'disabled',
        reason: disabledFor ?? '',
        waiting: (info?.num_pending ?? 0) + (info?.num_ack_pending ?? 0),
        deliveredSequence: BigInt(info?.ack_floor.stream_seq ?? 0),
      };
    });
    return { webhooks: await Promise.all(views) };
  }

  /** Posts events again, under the ids that they have: a receiver can tell what it knows. */
  @OnRequest(command('ResendWebhook'), ResendWebhookSchema, WebhookResentSchema)
  async resend({ webhook, afterSequence, untilSequence }: ResendWebhook) {
    const { settings } = this.find(webhook);
    const filter = { afterSequence: Number(afterSequence), withStored: true };
    const resent = { delivered: 0, failed: 0 };
    for await (const { sequence, stored = '' } of this.log.replay(filter)) {
      if (untilSequence > 0n && BigInt(sequence) > untilSequence) break;
      const event = JSON.parse(stored) as CloudEvent;
      if (!isWanted(settings, event)) continue;
      const { kind } = await postEvent(this.key, settings, event, this.clock.nowMs());
      if (kind === 'gone') break;
      resent[kind] += 1;
    }
    return resent;
  }

  private find(webhook: string) {
    const found = this.webhooks.all.find(({ settings }) => settings.webhook === webhook);
    if (!found) throw new UnknownWebhook(webhook);
    return found;
  }
}
