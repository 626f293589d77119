import type { Notification } from '#libs/contracts/index.js';
import type { PeerHttp } from '#libs/fleet-http/adapters/peer-http.js';
import type { Leaders } from '../app/ports.js';

const timeoutMs = 3_000;

/**
 * Brings signed notifications to leaders themselves, as leaders do to each other: for sites that
 * NATS does not reach.
 */
export function httpsLeaders(
  http: PeerHttp,
  sign: (notification: Notification) => Uint8Array,
): Leaders {
  return {
    notify: async (_leader, notification, httpUrl) => {
      if (httpUrl === '') return false;
      const { traceparent } = notification;
      try {
        const { status, body } = await http.request(`${httpUrl}/notification`, {
          method: 'POST',
          headers: traceparent ? { traceparent } : {},
          body: sign(notification),
          signal: AbortSignal.timeout(timeoutMs),
          expect: 'fleet',
        });
        body.resume();
        return status === 204;
      } catch {
        return false;
      }
    },
  };
}
