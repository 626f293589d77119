import type { FastifyRequest } from 'fastify';
import { uuidv7 } from 'uuidv7';
import type { Caller } from '#libs/nest-jetstream/context.js';

/**
 * Who sent a request, and why. Clients name themselves, and the command if they may repeat it; the
 * reason travels percent-encoded, and is the request itself where none is given.
 */
export function callerOf({ headers, method, url }: FastifyRequest): Caller {
  const header = (name: string) => {
    const value = headers[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const traceparent = header('traceparent');
  return {
    actor: header('espalier-actor') ?? 'anonymous',
    commandId: header('idempotency-key') ?? uuidv7(),
    reason: reasonIn(header('espalier-reason')) ?? `${method} ${url}`,
    ...(traceparent ? { traceparent } : {}),
  };
}

const longestReason = 500;

function reasonIn(encoded: string | undefined): string | undefined {
  if (encoded === undefined) return undefined;
  try {
    return decodeURIComponent(encoded).slice(0, longestReason);
  } catch {
    return encoded.slice(0, longestReason);
  }
}
