import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { Controller, Inject } from '@nestjs/common';
import {
  cdEventOf,
  cdEventSubject,
  type RecordedEvent,
  toCloudEvent,
} from '#libs/contracts/index.js';
import { OnEvent } from '#libs/nest-jetstream/decorators.js';
import { NATS } from '#libs/nest-jetstream/tokens.js';

/** Publishes copies of events in the words of CDEvents; one event makes one copy. */
@Controller()
export class CdEventsConsumer {
  constructor(@Inject(NATS) private readonly nats: NatsConnection) {}

  @OnEvent('RunRequested')
  @OnEvent('RunCompleted')
  @OnEvent('RunPartiallyCompleted')
  @OnEvent('RunFailed')
  @OnEvent('RunAborted')
  @OnEvent('RunCancelled')
  @OnEvent('ShadowMoved')
  async copy(event: RecordedEvent): Promise<void> {
    const copy = cdEventOf(toCloudEvent(event));
    if (!copy) return;
    const options = { msgID: `cd-${event.id}` };
    await jetstream(this.nats).publish(cdEventSubject(copy), JSON.stringify(copy), options);
  }
}
