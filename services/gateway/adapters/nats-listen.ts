import type { NatsConnection } from '@nats-io/nats-core';
import type { Listen } from '../app/mailboxes.js';

/** Hears requests over NATS. */
export function natsListen(nats: NatsConnection): Listen {
  return (subject, onRequest) => {
    const subscription = nats.subscribe(subject, {
      callback: (error, message) => {
        if (!error) onRequest(message.data, (answer) => message.respond(answer));
      },
    });
    return () => subscription.unsubscribe();
  };
}
