import type { NatsConnection } from '@nats-io/nats-core';
import type { Clock } from '#libs/clock/clock.js';
import { StagingLookSchema, StagingSeenSchema, subjects } from '#libs/contracts/index.js';
import { watchFingerprint } from '#libs/delta/adapters/watch-fingerprint.js';
import { stagedParts } from '#libs/delta/staged.js';
import { ServiceClient, ServiceUnavailable } from '#libs/nest-jetstream/service-client.js';
import type { WatchStaging } from '../app/staging-jobs.js';
import { type LookThere, watchServers } from '../app/watch-servers.js';

const timeoutMs = 3_000;

/** Watches directories of this host, and what staging servers watch on theirs. */
export function watchStagingOf(lookThere: LookThere, clock: Clock): WatchStaging {
  return ({ site, staging }, quietMs, changed) => {
    const parts = stagedParts(staging);
    return parts
      ? watchServers({ site, parts, quietMs }, lookThere, changed, clock)
      : watchFingerprint(staging, quietMs, changed, clock);
  };
}

/** Asks over NATS; the gateway that a staging server polls hands it on. */
export function natsLookThere(nats: NatsConnection): LookThere {
  const client = new ServiceClient(nats);
  return async (server, site, quietMs) => {
    const subject = subjects.stagingLook(server);
    const look = { site, quietMs: BigInt(quietMs) };
    const schemas = [StagingLookSchema, StagingSeenSchema] as const;
    try {
      const { fingerprint } = await client.request(subject, ...schemas, look, timeoutMs);
      return fingerprint || undefined;
    } catch (error) {
      if (error instanceof ServiceUnavailable) return undefined;
      throw error;
    }
  };
}
