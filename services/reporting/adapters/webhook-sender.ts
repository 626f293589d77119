import { createHash } from 'node:crypto';
import { Webhook as Signer } from 'standardwebhooks';
import { type CloudEvent, cdEventOf, type WebhookRegistered } from '#libs/contracts/index.js';
import type { SigningKey } from '#libs/keys/ed25519.js';

const answerWithinMs = 15_000;

export type Sent =
  | { readonly kind: 'delivered' }
  /** The receiver does not want any more: HTTP 410. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'failed'; readonly reason: string };

/**
 * The secret that a webhook's receiver verifies with, as Standard Webhooks writes it. It follows
 * from the control plane's key, so that nothing secret is in the log.
 */
export function secretOf(key: SigningKey, webhook: string): string {
  const seed = key.sign(new TextEncoder().encode(`espalier webhook ${webhook}`));
  return `whsec_${createHash('sha256').update(seed).digest('base64')}`;
}

/** Posts an event, signed. Its id is the event's however often it is posted. Never throws. */
export async function postEvent(
  key: SigningKey,
  { webhook, url, format }: WebhookRegistered,
  event: CloudEvent,
  nowMs: number,
): Promise<Sent> {
  const body = JSON.stringify(format === 'cdevents' ? cdEventOf(event) : event);
  const at = new Date(nowMs);
  const signature = new Signer(secretOf(key, webhook)).sign(event.id, at, body);
  const contentType = format === 'cdevents' ? 'application/json' : 'application/cloudevents+json';
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': contentType,
        'webhook-id': event.id,
        'webhook-timestamp': String(Math.floor(nowMs / 1_000)),
        'webhook-signature': signature,
      },
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(answerWithinMs),
    });
    await response.body?.cancel();
    if (response.status === 410) return { kind: 'gone' };
    if (response.ok) return { kind: 'delivered' };
    return { kind: 'failed', reason: `HTTP ${response.status}` };
  } catch (error) {
    const { message, cause } = error as Error & { cause?: Error };
    return { kind: 'failed', reason: cause?.message ?? message };
  }
}
