import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf';
import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import {
  RegisterWebhookSchema,
  ResendWebhookSchema,
  subjects,
  WebhookCommandSchema,
  WebhookListSchema,
  WebhookResentSchema,
  WebhookSecretSchema,
  WebhooksQuerySchema,
} from '#libs/contracts/index.js';
import { ServiceClient } from '#libs/nest-jetstream/service-client.js';
import { parseBody, replyJson } from '../../app/json.js';
import { callerOf } from './caller.js';

const queryTimeoutMs = 10_000;
const resendTimeoutMs = 30 * 60_000;

/** Webhooks: registered, disabled and enabled, resent. */
@Controller('api/v1/webhooks')
export class WebhooksController {
  constructor(@Inject(ServiceClient) private readonly services: ServiceClient) {}

  @Get()
  list() {
    return this.ask('Webhooks', WebhooksQuerySchema, WebhookListSchema, {}, queryTimeoutMs);
  }

  /** Answers with the secret. Registered again, it has other settings and the same secret. */
  @Post()
  async register(@Body() body: unknown, @Req() request: FastifyRequest) {
    const settings = parseBody(RegisterWebhookSchema, body);
    const message = [RegisterWebhookSchema, settings] as const;
    await this.services.command('reporting', 'RegisterWebhook', ...message, callerOf(request));
    return this.secret(settings.webhook);
  }

  @Get(':webhook/secret')
  secret(@Param('webhook') webhook: string) {
    const schemas = [WebhookCommandSchema, WebhookSecretSchema] as const;
    return this.ask('WebhookSecret', ...schemas, { webhook }, queryTimeoutMs);
  }

  @Post(':webhook/disable')
  @HttpCode(200)
  disable(@Param('webhook') webhook: string, @Req() request: FastifyRequest) {
    return this.send('DisableWebhook', webhook, request);
  }

  @Post(':webhook/enable')
  @HttpCode(200)
  enable(@Param('webhook') webhook: string, @Req() request: FastifyRequest) {
    return this.send('EnableWebhook', webhook, request);
  }

  @Delete(':webhook')
  delete(@Param('webhook') webhook: string, @Req() request: FastifyRequest) {
    return this.send('DeleteWebhook', webhook, request);
  }

  @Post(':webhook/resend')
  @HttpCode(200)
  resend(@Param('webhook') webhook: string, @Body() body: unknown) {
    const query = { ...parseBody(ResendWebhookSchema, body), webhook };
    const schemas = [ResendWebhookSchema, WebhookResentSchema] as const;
    return this.ask('ResendWebhook', ...schemas, query, resendTimeoutMs);
  }

  private send(name: string, webhook: string, request: FastifyRequest) {
    const message = [WebhookCommandSchema, { webhook }] as const;
    return this.services.command('reporting', name, ...message, callerOf(request));
  }

  private async ask<Request extends DescMessage, Reply extends DescMessage>(
    name: string,
    request: Request,
    reply: Reply,
    query: MessageInitShape<Request>,
    timeoutMs: number,
  ) {
    const subject = subjects.command('reporting', name);
    const answer = await this.services.request(subject, request, reply, query, timeoutMs);
    return replyJson(reply, answer);
  }
}
