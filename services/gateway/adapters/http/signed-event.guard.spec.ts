import { describe, expect, test } from '@jest/globals';
import type { ExecutionContext } from '@nestjs/common';
import { Webhook } from 'standardwebhooks';
import { SignedEventGuard, UnsignedEvent } from './signed-event.guard.js';

const secretOf = (text: string) => `whsec_${Buffer.from(text.repeat(8)).toString('base64')}`;
const [old, fresh, foreign] = ['old!', 'new!', 'evil'].map(secretOf) as [string, string, string];
const body = '{"type":"build.done"}';

function letsIn(secrets: string[], signedWith: string, change: Record<string, string> = {}) {
  const at = new Date(Date.now() - Number(change.ageMs ?? 0));
  const headers = {
    'webhook-id': change.id ?? 'build-17',
    'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'webhook-signature': new Webhook(signedWith).sign('build-17', at, body),
  };
  const request = { headers, rawBody: Buffer.from(change.body ?? body) };
  const context = { switchToHttp: () => ({ getRequest: () => request }) };
  return new SignedEventGuard(secrets).canActivate(context as unknown as ExecutionContext);
}

describe('events from outside', () => {
  test('are taken when one of the secrets signed them, so that secrets can be changed', () => {
    expect(letsIn([old, fresh], old)).toBe(true);
    expect(letsIn([old, fresh], fresh)).toBe(true);
  });

  test.each([
    ['another secret', [old], foreign, {}],
    ['another body', [old], old, { body: `${body} ` }],
    ['another id: a repetition would be a new event', [old], old, { id: 'build-18' }],
    ['a time long ago: it may be a replay', [old], old, { ageMs: '301000' }],
  ])('are refused with %s', (_what, secrets, signedWith, change) => {
    expect(() => letsIn(secrets, signedWith, change)).toThrow(UnsignedEvent);
  });

  test('are taken from anybody where no secret is configured', () => {
    expect(letsIn([], foreign)).toBe(true);
  });
});
