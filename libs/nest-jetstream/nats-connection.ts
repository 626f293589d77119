import { errors, type NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { type Clock, sleep } from '#libs/clock/clock.js';
import { DomainError } from '#libs/contracts/index.js';
import { type Logger, reasonOf } from '#libs/telemetry/logger.js';
import { NatsLink } from './nats-link.js';
import type { ServiceConfig } from './service-config.js';

const attemptTimeoutMs = 3000;
const patienceMs = 30_000;
const pauseMs = 500;
const pingEveryMs = 20_000;

/** No NATS server could be reached. */
export class NatsUnreachable extends DomainError {
  override readonly name = 'NatsUnreachable';
}

/**
 * Connects, waiting up to 30 s for a server that is still starting; once connected it reconnects
 * for ever.
 * @throws NatsUnreachable
 */
export async function connectNats(
  name: string,
  config: ServiceConfig,
  clock: Clock,
  logger: Logger,
): Promise<NatsConnection> {
  const deadlineMs = clock.nowMs() + patienceMs;
  for (;;) {
    try {
      return await connect({
        name,
        servers: config.natsUrl.split(','),
        ...(config.natsUser ? { user: config.natsUser, pass: config.natsPassword ?? '' } : {}),
        timeout: attemptTimeoutMs,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 250,
        reconnectJitter: 250,
        pingInterval: pingEveryMs,
        // A server under load, or one that has just started, may be too slow to greet a client:
        // it says so as if it refused, and after the second time the client would close for ever.
        ignoreAuthErrorAbort: true,
        // A stack trace with every request costs more than the request.
        noAsyncTraces: true,
      });
    } catch (cause) {
      if (clock.nowMs() >= deadlineMs || isRefusal(cause)) {
        throw new NatsUnreachable(
          `no connection to NATS at ${config.natsUrl} (${reasonOf(cause)})`,
          'start nats-server, or set NATS_URL, NATS_USER and NATS_PASSWORD',
          { cause },
        );
      }
      logger.info('waiting for NATS', { reason: reasonOf(cause) });
      await sleep(clock, pauseMs);
    }
  }
}

/** Whether the connection is up now; a server that hangs is lost after its time to answer. */
export function natsCheck(nats: NatsConnection): () => Promise<string | undefined> {
  const link = new NatsLink(nats);
  return async () => {
    if (!link.isUp) return 'the connection to NATS is lost';
    await nats.flush();
    return undefined;
  };
}

/** A server that was too slow to greet us is no server that refuses us. */
function isRefusal(error: unknown): boolean {
  return error instanceof errors.AuthorizationError && !/timeout/i.test(error.message);
}
