import { toBinary } from '@bufbuild/protobuf';
import type { NatsConnection } from '@nats-io/nats-core';
import { NotificationSchema, subjects } from '#libs/contracts/index.js';
import type { Leaders } from '../app/ports.js';

/** Tells leaders by core NATS requests; a leader confirms with an empty reply. */
export function natsLeaders(nats: NatsConnection, timeoutMs = 2_000): Leaders {
  return {
    notify: async (leader, notification) => {
      const payload = toBinary(NotificationSchema, notification);
      try {
        await nats.request(subjects.agentNotification(leader), payload, { timeout: timeoutMs });
        return true;
      } catch {
        return false;
      }
    },
  };
}
