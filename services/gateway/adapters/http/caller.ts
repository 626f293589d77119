import type { FastifyRequest } from 'fastify';
import { uuidv7 } from 'uuidv7';
import type { Caller } from '#libs/nest-jetstream/context.js';

/** Who sent a request. Clients name themselves, and the command if they may repeat it. */
export function callerOf({ headers }: FastifyRequest): Caller {
  const header = (name: string) => {
    const value = headers[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const traceparent = header('traceparent');
  return {
    actor: header('espalier-actor') ?? 'anonymous',
    commandId: header('idempotency-key') ?? uuidv7(),
    ...(traceparent ? { traceparent } : {}),
  };
}
