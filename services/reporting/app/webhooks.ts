import { type Cancel, type Clock, scheduleTogether } from '#libs/clock/clock.js';
import type {
  EventContext,
  RecordedEvent,
  RegisterWebhook,
  WebhookRegistered,
} from '#libs/contracts/index.js';
import { execute } from '#libs/event-log/aggregate.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { LogView } from '#libs/event-log/log-view.js';
import { type Caller, commandContext } from '#libs/nest-jetstream/context.js';
import { type Logger, reasonOf } from '#libs/telemetry/logger.js';
import {
  type FailedDelivery,
  type Webhook,
  type WebhookCommand,
  type WebhookEvent,
  webhookAggregate,
} from '../domain/webhook.js';

const lookEveryMs = 600;

/** A webhook as the log tells it. */
export interface KnownWebhook {
  readonly settings: WebhookRegistered;
  readonly disabledFor: string | undefined;
  /** Place of its last registration. */
  readonly sequence: number;
}

/** Posting to one webhook, under way. */
export interface Deliveries {
  start(): void;
  stop(): Promise<void>;
}

type Known = ReadonlyMap<string, KnownWebhook>;

/** Starts and stops the deliveries that the log asks for; every replica takes part in each. */
export class Webhooks {
  private readonly running = new Map<string, { sequence: number; deliveries: Deliveries }>();
  private cancel: Cancel = () => undefined;

  private constructor(
    private readonly log: EventLog,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly view: LogView<Known>,
    private readonly deliveriesTo: (webhook: KnownWebhook) => Deliveries,
  ) {}

  static async start(
    log: EventLog,
    clock: Clock,
    logger: Logger,
    deliveriesTo: (webhook: KnownWebhook, webhooks: Webhooks) => Deliveries,
  ): Promise<Webhooks> {
    const view = await LogView.start<Known>(log, {
      aggregateTypes: ['webhook'],
      initial: new Map(),
      evolve,
    });
    const webhooks: Webhooks = new Webhooks(log, clock, logger, view, (webhook) =>
      deliveriesTo(webhook, webhooks),
    );
    webhooks.look();
    return webhooks;
  }

  get all(): readonly KnownWebhook[] {
    return [...this.view.state.values()];
  }

  register(settings: RegisterWebhook, caller: Caller) {
    return this.change(settings.webhook, { type: 'register', settings }, caller);
  }

  change(webhook: string, command: WebhookCommand, caller: Caller) {
    return this.decide(webhook, command, commandContext(caller, caller.commandId));
  }

  /** What a delivery found out. */
  found(webhook: string, command: WebhookCommand, causationId: string) {
    const context = { actor: 'service:reporting', correlationId: causationId, causationId };
    return this.decide(webhook, command, context);
  }

  giveUp(failed: FailedDelivery) {
    const cause = `${failed.webhook}/${failed.eventSequence}/gave-up`;
    return this.found(failed.webhook, { type: 'give-up', failed }, cause);
  }

  async close(): Promise<void> {
    this.cancel();
    await this.view.close();
    await Promise.all([...this.running.values()].map(({ deliveries }) => deliveries.stop()));
  }

  private async decide(webhook: string, command: WebhookCommand, context: EventContext) {
    const nowMs = this.clock.nowMs();
    const events = await execute(this.log, webhookAggregate, webhook, command, context, nowMs);
    const sequence = events.at(-1)?.sequence ?? 0;
    if (sequence > 0) await this.view.reaches(sequence);
    return { id: webhook, sequence };
  }

  private look(): void {
    try {
      this.reconcile();
    } catch (error) {
      this.logger.error('webhooks stand still', { reason: reasonOf(error) });
    }
    this.cancel = scheduleTogether(this.clock, lookEveryMs, () => this.look());
  }

  private reconcile(): void {
    const wanted = new Map(
      this.all
        .filter(({ disabledFor }) => disabledFor === undefined)
        .map((webhook) => [webhook.settings.webhook, webhook]),
    );
    for (const [name, { sequence, deliveries }] of this.running) {
      if (wanted.get(name)?.sequence === sequence) continue;
      this.running.delete(name);
      void deliveries.stop();
    }
    for (const [name, webhook] of wanted) {
      if (this.running.has(name)) continue;
      const deliveries = this.deliveriesTo(webhook);
      this.running.set(name, { sequence: webhook.sequence, deliveries });
      deliveries.start();
    }
  }
}

function evolve(known: Known, event: RecordedEvent): Known {
  const name = event.aggregate.id;
  const before = known.get(name);
  const state: Webhook = webhookAggregate.evolve(before, event as unknown as WebhookEvent);
  const next = new Map(known);
  next.delete(name);
  if (!state) return next;
  const sequence = event.type === 'WebhookRegistered' ? event.sequence : (before?.sequence ?? 0);
  return next.set(name, { ...state, sequence });
}
