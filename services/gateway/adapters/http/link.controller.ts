import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { headers, type NatsConnection } from '@nats-io/nats-core';
import {
  Controller,
  HttpCode,
  Inject,
  Injectable,
  type OnModuleDestroy,
  type OnModuleInit,
  Param,
  Post,
  Req,
  Res,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  type IngressKind,
  LinkPolledSchema,
  LinkPollSchema,
  NextLeaderRequestSchema,
  PeersRequestSchema,
  subjects,
} from '#libs/contracts/index.js';
import { NATS } from '#libs/nest-jetstream/tokens.js';
import { AgentNotKnown, AgentRequests } from '../../app/agent-requests.js';
import { InvalidRequest } from '../../app/json.js';
import { Mailboxes } from '../../app/mailboxes.js';

const protobuf = 'application/protobuf';
/** As much as NATS takes. */
const maxBodyBytes = 8 * 1024 * 1024;
const timeoutMs = 5_000;
const reportKinds: readonly string[] = [
  'segment',
  'received',
  'assignment',
  'links',
] satisfies IngressKind[];

/** Hands bodies of protobuf to the routes as they came: their bytes are what is signed. */
@Injectable()
export class ProtobufBodies implements OnModuleInit {
  constructor(private readonly host: HttpAdapterHost) {}

  onModuleInit(): void {
    const fastify = this.host.httpAdapter.getInstance<FastifyInstance>();
    const options = { parseAs: 'buffer', bodyLimit: maxBodyBytes } as const;
    fastify.addContentTypeParser(protobuf, options, (_request, body, done) => done(null, body));
  }
}

/** The control plane for leaders that reach nothing but the gateway. Each request is signed. */
@Controller('api/v1/link')
export class LinkController implements OnModuleDestroy {
  constructor(
    @Inject(AgentRequests) private readonly agents: AgentRequests,
    @Inject(Mailboxes) private readonly mailboxes: Mailboxes,
    @Inject(NATS) private readonly nats: NatsConnection,
  ) {}

  @Post('poll')
  @HttpCode(200)
  async poll(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const node = await this.senderOf(request);
    const { answers, waitMs } = fromBinary(LinkPollSchema, bodyOf(request));
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    const requests = await this.mailboxes.poll(node, answers, waitMs, gone.signal);
    const polled = toBinary(LinkPolledSchema, create(LinkPolledSchema, { requests }));
    await reply.type(protobuf).send(Buffer.from(polled));
  }

  @Post('ask/:question')
  @HttpCode(200)
  async ask(
    @Param('question') question: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const node = await this.senderOf(request);
    const leader = leaderAsking(question, bodyOf(request));
    if (leader !== node) throw new AgentNotKnown(`${node} asks in the name of ${leader}`);
    const subject = subjects.agentRequest('tree-planner', question, node);
    const answer = await this.nats.request(subject, bodyOf(request), { timeout: timeoutMs });
    await reply.type(protobuf).send(Buffer.from(answer.data));
  }

  /** Answers when the ingress stream has the report; a repeated id is kept once. */
  @Post('reports/:kind/:id')
  @HttpCode(204)
  async report(
    @Param('kind') kind: string,
    @Param('id') id: string,
    @Req() request: FastifyRequest,
  ): Promise<void> {
    const node = await this.senderOf(request);
    if (!reportKinds.includes(kind) || !/^[\w-]{1,64}$/.test(id)) {
      throw new InvalidRequest(`${kind}/${id} is no report`, 'see services/agent/README.md');
    }
    const messageHeaders = headers();
    messageHeaders.set('Nats-Msg-Id', id);
    const subject = subjects.ingressOf(node, kind as IngressKind);
    const options = { timeout: timeoutMs, headers: messageHeaders };
    const stored = await this.nats.request(subject, bodyOf(request), options);
    const { stream, error } = stored.json<{ stream?: string; error?: { description: string } }>();
    if (!stream) throw new Error(error?.description ?? 'no stream took the report');
  }

  /** Polls that are held would keep the gateway from stopping. */
  onModuleDestroy(): void {
    this.mailboxes.close();
  }

  private senderOf(request: FastifyRequest): Promise<string> {
    const { method, url, headers: received } = request;
    return this.agents.senderOf(received, { method, path: url, body: bodyOf(request) });
  }
}

/** Whom a question says that it is from. @throws InvalidRequest */
function leaderAsking(question: string, body: Uint8Array): string {
  switch (question) {
    case 'next':
      return fromBinary(NextLeaderRequestSchema, body).leader;
    case 'peers':
      return fromBinary(PeersRequestSchema, body).leader;
    default:
      throw new InvalidRequest(`there is no question ${question}`, 'ask next or peers');
  }
}

function bodyOf({ body }: FastifyRequest): Uint8Array {
  return body instanceof Uint8Array ? body : new Uint8Array();
}
