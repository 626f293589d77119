import {
  DomainError,
  type DomainEvent,
  event,
  eventCatalogue,
  type RegisterWebhook,
  type WebhookRegistered,
} from '#libs/contracts/index.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';

export type WebhookEvent = DomainEvent<
  | 'WebhookRegistered'
  | 'WebhookDisabled'
  | 'WebhookEnabled'
  | 'WebhookDeleted'
  | 'WebhookDeliveryFailed'
>;

export type WebhookCommand =
  | { readonly type: 'register'; readonly settings: RegisterWebhook }
  | { readonly type: 'disable'; readonly webhook: string; readonly reason: string }
  | { readonly type: 'enable'; readonly webhook: string }
  | { readonly type: 'delete'; readonly webhook: string }
  | { readonly type: 'give-up'; readonly failed: FailedDelivery };

export interface FailedDelivery {
  readonly webhook: string;
  readonly eventId: string;
  readonly eventSequence: bigint;
  readonly attempts: number;
  readonly reason: string;
}

/** `undefined`: unknown or deleted. */
export type Webhook =
  | undefined
  | { readonly settings: WebhookRegistered; readonly disabledFor: string | undefined };

export class InvalidWebhook extends DomainError {
  override readonly name = 'InvalidWebhook';
}

export class UnknownWebhook extends DomainError {
  override readonly name = 'UnknownWebhook';
  constructor(webhook: string) {
    super(`there is no webhook ${webhook}`, 'espalier webhook list shows them');
  }
}

/** A URL that events are posted to. */
export const webhookAggregate: Aggregate<Webhook, WebhookCommand, WebhookEvent> = {
  type: 'webhook',
  initial: undefined,

  evolve(state, happened) {
    switch (happened.type) {
      case 'WebhookRegistered':
        return { settings: happened.data, disabledFor: undefined };
      case 'WebhookDisabled':
        return state && { ...state, disabledFor: happened.data.reason };
      case 'WebhookEnabled':
        return state && { ...state, disabledFor: undefined };
      case 'WebhookDeleted':
        return undefined;
      case 'WebhookDeliveryFailed':
        return state;
    }
  },

  decide(command, state) {
    if (command.type === 'register') return register(command.settings);
    const webhook = command.type === 'give-up' ? command.failed.webhook : command.webhook;
    if (!state) throw new UnknownWebhook(webhook);
    switch (command.type) {
      case 'disable': {
        const { reason } = command;
        return state.disabledFor === undefined
          ? [event('WebhookDisabled', { webhook, reason })]
          : [];
      }
      case 'enable':
        return state.disabledFor === undefined ? [] : [event('WebhookEnabled', { webhook })];
      case 'delete':
        return [event('WebhookDeleted', { webhook })];
      case 'give-up':
        return [event('WebhookDeliveryFailed', command.failed)];
    }
  },
};

const formats = ['', 'cloudevents', 'cdevents'];

/** @throws InvalidWebhook */
function register({ $typeName: _, ...settings }: RegisterWebhook): WebhookEvent[] {
  const { webhook, url, types, format } = settings;
  if (!/^[a-z0-9][a-z0-9-]{0,40}$/.test(webhook)) {
    throw new InvalidWebhook(
      `${JSON.stringify(webhook)} is no name of a webhook`,
      'use lower case letters, digits and -',
    );
  }
  const protocol = URL.canParse(url) ? new URL(url).protocol : '';
  if (protocol !== 'https:' && protocol !== 'http:') {
    throw new InvalidWebhook(`${url} is no URL to post to`, 'give one of https:// or http://');
  }
  const unknown = types.find((type) => !(type in eventCatalogue));
  if (unknown) {
    throw new InvalidWebhook(`there is no event ${unknown}`, 'deploy/asyncapi.json has them all');
  }
  if (!formats.includes(format)) {
    throw new InvalidWebhook(`there is no format ${format}`, 'use cloudevents or cdevents');
  }
  return [event('WebhookRegistered', settings)];
}

/** Whether a webhook wants an event. Its own are never posted. */
export function wants(
  { types, sites }: WebhookRegistered,
  type: string,
  site: string | undefined,
): boolean {
  if (type.startsWith('Webhook')) return false;
  if (types.length > 0 && !types.includes(type)) return false;
  return sites.length === 0 || (site !== undefined && sites.includes(site));
}
