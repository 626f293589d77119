import type { NatsConnection } from '@nats-io/nats-core';
import { StagingAnswerSchema, StagingOrderSchema, subjects } from '#libs/contracts/index.js';
import { ServiceClient, ServiceUnavailable } from '#libs/nest-jetstream/service-client.js';
import type { AskStagingServer } from './served-staging.js';

const timeoutMs = 3_000;

/** Asks over NATS; the gateway that a staging server polls hands it on. */
export function natsStagingServers(nats: NatsConnection): AskStagingServer {
  const client = new ServiceClient(nats);
  return async (server, order) => {
    const subject = subjects.stagingOrder(server);
    try {
      return await client.request(
        subject,
        StagingOrderSchema,
        StagingAnswerSchema,
        order,
        timeoutMs,
      );
    } catch (error) {
      if (error instanceof ServiceUnavailable) return undefined;
      throw error;
    }
  };
}
