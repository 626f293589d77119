import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import { errors, type Msg, type MsgHdrs, type NatsConnection, nuid } from '@nats-io/nats-core';
import { CommandReplySchema, subjects } from '#libs/contracts/index.js';
import type { Caller } from './context.js';
import { LinkLost, NatsLink } from './nats-link.js';
import { callerHeaders, refusalOf } from './wire.js';

const commandTimeoutMs = 15_000;
/** A server that starts again is back by then. */
const reconnectWithinMs = 3_000;

/** A service refused: the DomainError it threw, as it crossed the border. */
export class CommandRefusedError extends Error {
  override readonly name = 'CommandRefusedError';
  constructor(
    /** Name of the error's class, e.g. `UnknownSite`. */
    readonly code: string,
    message: string,
    readonly remedy: string,
  ) {
    super(message);
  }
}

/** No replica of a service answered; unless the message says otherwise it may have acted. */
export class ServiceUnavailable extends Error {
  override readonly name = 'ServiceUnavailable';
}

/** Sends commands and queries to services. */
export class ServiceClient {
  private readonly link: NatsLink;

  constructor(private readonly nats: NatsConnection) {
    this.link = new NatsLink(nats);
  }

  /** @throws CommandRefusedError, ServiceUnavailable */
  async command<S extends DescMessage>(
    service: string,
    name: string,
    schema: S,
    init: MessageInitShape<S>,
    caller: Caller,
  ): Promise<{ id: string; sequence: number }> {
    const subject = subjects.command(service, name);
    const payload = toBinary(schema, create(schema, init));
    const answer = await this.send(subject, payload, callerHeaders(caller), commandTimeoutMs);
    const { reply } = fromBinary(CommandReplySchema, answer.data);
    if (reply.case === 'accepted') {
      return { id: reply.value.id, sequence: Number(reply.value.sequence) };
    }
    if (reply.case === 'refused') {
      throw new CommandRefusedError(reply.value.code, reply.value.message, reply.value.remedy);
    }
    throw new ServiceUnavailable(`${service} answered ${name} with nothing`);
  }

  /** @throws CommandRefusedError, ServiceUnavailable */
  async request<Q extends DescMessage, R extends DescMessage>(
    subject: string,
    requestSchema: Q,
    replySchema: R,
    init: MessageInitShape<Q>,
    timeoutMs: number,
    caller: Caller = { actor: 'unknown', commandId: nuid.next() },
  ): Promise<MessageShape<R>> {
    const payload = toBinary(requestSchema, create(requestSchema, init));
    const answer = await this.send(subject, payload, callerHeaders(caller), timeoutMs);
    return fromBinary(replySchema, answer.data);
  }

  private async send(
    subject: string,
    payload: Uint8Array,
    headers: MsgHdrs,
    timeout: number,
  ): Promise<Msg> {
    const answer = await this.ask(subject, payload, headers, timeout);
    const refusal = refusalOf(answer.headers);
    if (!refusal) return answer;
    throw new CommandRefusedError(refusal.code, refusal.message, refusal.remedy);
  }

  private async ask(subject: string, payload: Uint8Array, headers: MsgHdrs, timeout: number) {
    if (!(await this.link.whenUp(Math.min(timeout, reconnectWithinMs)))) {
      throw new ServiceUnavailable('NATS cannot be reached: nothing was asked for');
    }
    try {
      return await this.link.whileUp(this.nats.request(subject, payload, { headers, timeout }));
    } catch (cause) {
      if (cause instanceof LinkLost) {
        const reason = `${cause.message} before it answered`;
        throw new ServiceUnavailable(`${subject}: ${reason}`, { cause });
      }
      const isMissing = cause instanceof errors.RequestError && cause.isNoResponders();
      const reason = isMissing ? 'no service listens' : 'no answer in time';
      throw new ServiceUnavailable(`${subject}: ${reason}`, { cause });
    }
  }
}
