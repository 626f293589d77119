// Prints every event of runs, also after restarts: the server remembers how far it has read.
//   NATS_URL=nats://127.0.0.1:4222 NATS_USER=... NATS_PASSWORD=... node subscribe.mjs
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

const { NATS_URL: servers, NATS_USER: user, NATS_PASSWORD: pass } = process.env;
const nats = await connect({ servers, user, pass, maxReconnectAttempts: -1 });
const manager = await jetstreamManager(nats);
await manager.consumers.add('EVENTS', {
  durable_name: 'run-printer',
  filter_subject: 'ev.run.*.*',
  ack_policy: 'explicit',
  ack_wait: 30_000_000_000,
});
const consumer = await jetstream(nats).consumers.get('EVENTS', 'run-printer');
for await (const message of await consumer.consume()) {
  const event = message.json();
  // An event can come again after a crash: `event.id` is the same then.
  console.log(event.time, event.type, event.correlationid, JSON.stringify(event.data));
  message.ack();
}
