import type { IncomingHttpHeaders } from 'node:http';
import { create } from '@bufbuild/protobuf';
import { type OutsideEvent, OutsideEventSchema } from '#libs/contracts/index.js';
import { InvalidRequest } from './json.js';

/**
 * The event of a webhook. Its id is in `webhook-id` (Standard Webhooks), in `ce-id` (CloudEvents)
 * or in the body's `id`; its type in `ce-type` or in the body's `type`. @throws InvalidRequest
 */
export function outsideEventOf(
  headers: IncomingHttpHeaders,
  body: unknown,
  job: string,
): OutsideEvent {
  const fields = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const id = text(headers['webhook-id']) ?? text(headers['ce-id']) ?? text(fields.id);
  if (id === undefined) {
    throw new InvalidRequest(
      'the event has no id, so that a repetition could not be told from another one',
      'send it in the header webhook-id or ce-id, or as "id" in the JSON body',
    );
  }
  const type = text(headers['ce-type']) ?? text(fields.type) ?? '';
  return create(OutsideEventSchema, { job, id, type });
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
