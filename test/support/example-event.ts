import { type EventType, eventCatalogue, type PendingEvent } from '#libs/contracts/index.js';
import { exampleMessage } from './example-message.js';

/** An event in which every field is set. */
export function exampleEvent(type: EventType): PendingEvent {
  return {
    type,
    data: exampleMessage(eventCatalogue[type]),
    id: `cause-1:site.www:1`,
    aggregate: { type: 'site', id: 'www' },
    version: 3,
    timeMs: Date.UTC(2026, 10, 22, 12, 34, 56, 789),
    context: {
      actor: 'cli:somebody',
      correlationId: 'run-1',
      causationId: 'cause-1',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    },
  } as PendingEvent;
}
