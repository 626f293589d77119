import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { uuidv7 } from 'uuidv7';
import {
  AbortRunSchema,
  ApproveRunSchema,
  PauseRolloutSchema,
  PromoteRolloutSchema,
  RequestRunSchema,
  RunDetailSchema,
  RunQuerySchema,
  subjects,
} from '#libs/contracts/index.js';
import { ServiceClient } from '#libs/nest-jetstream/service-client.js';
import { abortRun } from '../../app/abort-run.js';
import { parseBody, replyJson } from '../../app/json.js';
import { callerOf } from './caller.js';
import { queryTimeoutMs, sequenceOf } from './lists.controller.js';

/** Asks for runs and tells how they stand. */
@Controller('api/v1/runs')
export class RunsController {
  constructor(@Inject(ServiceClient) private readonly services: ServiceClient) {}

  @Post()
  @HttpCode(202)
  async request(@Body() body: unknown, @Req() request: FastifyRequest) {
    const asked = parseBody(RequestRunSchema, body);
    const command = { ...asked, runId: asked.runId || uuidv7() };
    const caller = callerOf(request);
    const { sequence } = await this.services.command(
      'scheduler',
      'RequestRun',
      RequestRunSchema,
      command,
      caller,
    );
    return { runId: command.runId, sequence: String(sequence) };
  }

  /** Before its commit; afterwards a rollback takes the run back. */
  @Post(':runId/abort')
  @HttpCode(200)
  abort(@Param('runId') runId: string, @Body() body: unknown, @Req() request: FastifyRequest) {
    const { reason } = parseBody(AbortRunSchema, body);
    return abortRun(this.services, { runId, reason }, callerOf(request));
  }

  @Post(':runId/rollout/pause')
  @HttpCode(200)
  pause(@Param('runId') runId: string, @Req() request: FastifyRequest) {
    const schema = PauseRolloutSchema;
    const caller = callerOf(request);
    return this.services.command('scheduler', 'PauseRollout', schema, { runId }, caller);
  }

  @Post(':runId/rollout/promote')
  @HttpCode(200)
  promote(@Param('runId') runId: string, @Req() request: FastifyRequest) {
    const schema = PromoteRolloutSchema;
    const caller = callerOf(request);
    return this.services.command('scheduler', 'PromoteRollout', schema, { runId }, caller);
  }

  @Post(':runId/go-live')
  @HttpCode(200)
  approve(@Param('runId') runId: string, @Req() request: FastifyRequest) {
    const caller = callerOf(request);
    return this.services.command('reporting', 'ApproveRun', ApproveRunSchema, { runId }, caller);
  }

  @Get(':runId')
  async detail(@Param('runId') runId: string, @Query('atSequence') atSequence: string) {
    const detail = await this.services.request(
      subjects.command('reporting', 'Run'),
      RunQuerySchema,
      RunDetailSchema,
      { runId, atSequence: sequenceOf(atSequence) },
      queryTimeoutMs,
    );
    return replyJson(RunDetailSchema, detail);
  }
}
