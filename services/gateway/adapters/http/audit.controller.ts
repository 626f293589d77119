import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf';
import { Controller, Get, Inject, Param, Post, Query } from '@nestjs/common';
import {
  AuditCheckpointQuerySchema,
  AuditCheckpointSchema,
  AuditedRunSchema,
  AuditedStateSchema,
  AuditedTreeSchema,
  AuditRunQuerySchema,
  AuditStateQuerySchema,
  AuditTreeQuerySchema,
  AuditVerdictSchema,
  AuditVerifyQuerySchema,
  subjects,
} from '#libs/contracts/index.js';
import { ServiceClient } from '#libs/nest-jetstream/service-client.js';
import { InvalidRequest, replyJson } from '../../app/json.js';
import { sequenceOf } from './lists.controller.js';

/** Reading a whole log takes its time. */
const auditTimeoutMs = 120_000;

/** What an auditor asks of the log. `at` is a log sequence, or a time as RFC 3339 has it. */
@Controller('api/v1/audit')
export class AuditController {
  constructor(@Inject(ServiceClient) private readonly services: ServiceClient) {}

  @Get('runs/:runId')
  run(@Param('runId') runId: string) {
    return this.ask('AuditRun', AuditRunQuerySchema, AuditedRunSchema, { runId });
  }

  @Get('state')
  state(@Query('at') at: string | undefined) {
    const query = { at: placeOf(at) };
    return this.ask('AuditState', AuditStateQuerySchema, AuditedStateSchema, query);
  }

  @Get('tree/:site')
  tree(@Param('site') site: string, @Query('at') at: string | undefined) {
    const query = { site, at: placeOf(at) };
    return this.ask('AuditTree', AuditTreeQuerySchema, AuditedTreeSchema, query);
  }

  @Post('verify')
  verify() {
    return this.ask('AuditVerify', AuditVerifyQuerySchema, AuditVerdictSchema, {});
  }

  @Post('checkpoint')
  checkpoint() {
    const query = AuditCheckpointQuerySchema;
    return this.ask('AuditCheckpoint', query, AuditCheckpointSchema, {});
  }

  private async ask<Request extends DescMessage, Reply extends DescMessage>(
    name: string,
    request: Request,
    reply: Reply,
    query: MessageInitShape<Request>,
  ) {
    const subject = subjects.command('reporting', name);
    return replyJson(
      reply,
      await this.services.request(subject, request, reply, query, auditTimeoutMs),
    );
  }
}

/** @throws InvalidRequest */
function placeOf(at: string | undefined) {
  if (at === undefined || at === '') return {};
  if (/^\d+$/.test(at)) return { sequence: sequenceOf(at) };
  const timeMs = Date.parse(at);
  if (Number.isNaN(timeMs)) {
    throw new InvalidRequest(
      `${at} is neither a place in the log nor a time`,
      'give a log sequence, or a time such as 2026-01-31T12:00:00Z',
    );
  }
  return { timeMs: BigInt(timeMs) };
}
