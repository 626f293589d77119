import { headers, type MsgHdrs, nuid } from '@nats-io/nats-core';
import { agentAsking } from '#libs/contracts/index.js';
import { newTraceparent } from '#libs/telemetry/trace-context.js';
import type { Caller } from './context.js';

/** Headers of requests between services and from agents. */
const actorHeader = 'Espalier-Actor';
const reasonHeader = 'Espalier-Reason';
const commandIdHeader = 'Espalier-Command-Id';
const errorHeader = 'Espalier-Error';
const messageHeader = 'Espalier-Message';
const remedyHeader = 'Espalier-Remedy';
const traceHeader = 'traceparent';

export interface Refusal {
  /** Name of the error's class. */
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

export function callerHeaders(caller: Caller): MsgHdrs {
  const made = headers();
  made.set(actorHeader, encodeURIComponent(caller.actor));
  made.set(commandIdHeader, encodeURIComponent(caller.commandId));
  if (caller.reason) made.set(reasonHeader, encodeURIComponent(caller.reason));
  made.set(traceHeader, caller.traceparent ?? newTraceparent());
  return made;
}

/** Who sent a request: of agents the subject tells it, which nobody else may publish on. */
export function callerOf(received: MsgHdrs | undefined, subject: string): Caller {
  const agent = agentAsking(subject);
  const reason = decodeURIComponent(received?.get(reasonHeader) ?? '');
  return {
    actor: agent ? `agent:${agent}` : decodeURIComponent(received?.get(actorHeader) || 'unknown'),
    commandId: decodeURIComponent(received?.get(commandIdHeader) || nuid.next()),
    traceparent: received?.get(traceHeader) || newTraceparent(),
    ...(reason ? { reason } : {}),
  };
}

export function refusalHeaders({ code, message, remedy }: Refusal): MsgHdrs {
  const made = headers();
  made.set(errorHeader, encodeURIComponent(code));
  made.set(messageHeader, encodeURIComponent(message));
  made.set(remedyHeader, encodeURIComponent(remedy));
  return made;
}

export function refusalOf(received: MsgHdrs | undefined): Refusal | undefined {
  const code = received?.get(errorHeader);
  if (!received || !code) return undefined;
  return {
    code: decodeURIComponent(code),
    message: decodeURIComponent(received.get(messageHeader)),
    remedy: decodeURIComponent(received.get(remedyHeader)),
  };
}
