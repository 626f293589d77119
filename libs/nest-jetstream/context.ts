import type { EventContext, RecordedEvent } from '#libs/contracts/index.js';
import { currentTraceparent } from '#libs/telemetry/trace-context.js';

/** Who asks for something, and under which id: a repeated id is the same command. */
export interface Caller {
  readonly actor: string;
  readonly commandId: string;
  /** W3C trace context. */
  readonly traceparent?: string;
  /** Why, in the caller's words. */
  readonly reason?: string;
}

/** The context of what a service does because of an event. */
export function contextOf(event: RecordedEvent, service: string): EventContext {
  const { correlationId, traceparent } = event.context;
  const actor = `service:${service}`;
  return traced({ actor, correlationId, causationId: event.id }, traceparent);
}

/** The context of what a command makes happen. */
export function commandContext(caller: Caller, correlationId: string): EventContext {
  const { actor, commandId, traceparent, reason } = caller;
  const why = reason ? { reason } : {};
  return traced({ actor, correlationId, causationId: commandId, ...why }, traceparent);
}

function traced(context: EventContext, inherited: string | undefined): EventContext {
  const traceparent = currentTraceparent() ?? inherited;
  return traceparent ? { ...context, traceparent } : context;
}
