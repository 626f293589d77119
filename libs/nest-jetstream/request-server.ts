import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { Msg, NatsConnection, Subscription } from '@nats-io/nats-core';
import { CommandReplySchema, DomainError } from '#libs/contracts/index.js';
import { type Logger, reasonOf } from '#libs/telemetry/logger.js';
import { observeSeconds } from '#libs/telemetry/metrics.js';
import { inSpanOf } from '#libs/telemetry/trace-context.js';
import type { Caller } from './context.js';
import type { Binding } from './decorators.js';
import { callerOf, type Refusal, refusalHeaders } from './wire.js';

type RequestBinding = Extract<Binding, { kind: 'command' | 'request' }>;

/** Calls one handler method. */
export type Invoke = (payload: unknown, caller: Caller | undefined) => Promise<unknown>;

/** Answers commands and queries; the replicas of a service share them. */
export class RequestServer {
  private readonly subscriptions: Subscription[] = [];
  private readonly underWay = new Set<Promise<void>>();

  constructor(
    private readonly nats: NatsConnection,
    private readonly service: string,
    private readonly logger: Logger,
  ) {}

  serve(binding: RequestBinding, invoke: Invoke): void {
    const subscription = this.nats.subscribe(binding.subject, {
      queue: this.service,
      callback: (error, message) => {
        if (error) this.logger.error('subscription failed', { reason: error.message });
        else this.track(this.answer(binding, invoke, message));
      },
    });
    this.subscriptions.push(subscription);
  }

  /** Takes no more requests and finishes those under way. */
  async stop(): Promise<void> {
    if (this.nats.isClosed()) return;
    await Promise.all(this.subscriptions.map((subscription) => subscription.drain()));
    await Promise.all(this.underWay);
  }

  private track(work: Promise<void>): void {
    this.underWay.add(work);
    void work.finally(() => this.underWay.delete(work));
  }

  private async answer(binding: RequestBinding, invoke: Invoke, message: Msg): Promise<void> {
    const caller = callerOf(message.headers, message.subject);
    const startedMs = performance.now();
    const observe = (outcome: string) => {
      const seconds = (performance.now() - startedMs) / 1_000;
      const of = { subject: binding.subject, outcome };
      observeSeconds('request', 'How long commands and queries take', seconds, of);
    };
    try {
      const request = fromBinary(binding.request, message.data);
      const attributes = { 'messaging.system': 'nats', 'messaging.message.id': caller.commandId };
      const result = await inSpanOf(caller.traceparent, binding.subject, attributes, () =>
        invoke(request, caller),
      );
      message.respond(encodeReply(binding, result));
      observe('answered');
    } catch (error) {
      observe(error instanceof DomainError ? 'refused' : 'failed');
      this.refuse(binding, message, caller, error);
    }
  }

  private refuse(binding: RequestBinding, message: Msg, caller: Caller, error: unknown): void {
    const refusal = this.refusalFor(error);
    const { actor, commandId } = caller;
    const fields = { subject: binding.subject, actor, commandId, reason: reasonOf(error) };
    if (error instanceof DomainError) this.logger.info('refused', fields);
    else this.logger.error('request failed', { ...fields, error });
    if (binding.kind === 'request') {
      message.respond(new Uint8Array(), { headers: refusalHeaders(refusal) });
      return;
    }
    const reply = create(CommandReplySchema, { reply: { case: 'refused', value: refusal } });
    message.respond(toBinary(CommandReplySchema, reply));
  }

  private refusalFor(error: unknown): Refusal {
    if (error instanceof DomainError) {
      return { code: error.name, message: error.message, remedy: error.remedy };
    }
    return {
      code: 'Internal',
      message: `the service ${this.service} failed`,
      remedy: `see the log of ${this.service}`,
    };
  }
}

function encodeReply(binding: RequestBinding, result: unknown): Uint8Array {
  if (binding.kind === 'request') {
    const reply = create(binding.reply, result as MessageInitShape<typeof binding.reply>);
    return toBinary(binding.reply, reply);
  }
  const { id, sequence } = result as { id: string; sequence: number };
  const value = { id, sequence: BigInt(sequence) };
  return toBinary(
    CommandReplySchema,
    create(CommandReplySchema, { reply: { case: 'accepted', value } }),
  );
}
