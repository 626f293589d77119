import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Inject,
  Param,
  Patch,
  Post,
  Query,
  Req,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import {
  CheckpointVerificationSchema,
  DeleteCheckpointSchema,
  DiffQuerySchema,
  HistoryQuerySchema,
  PinCheckpointSchema,
  SiteDiffSchema,
  SiteHistorySchema,
  subjects,
  VerifyCheckpointSchema,
} from '#libs/contracts/index.js';
import { ServiceClient } from '#libs/nest-jetstream/service-client.js';
import { parseBody, replyJson } from '../../app/json.js';
import { callerOf } from './caller.js';
import { queryTimeoutMs } from './lists.controller.js';

/** Reading every byte of a large site takes its time. */
const verifyTimeoutMs = 10 * 60_000;

/** What a site was, and its checkpoints. */
@Controller('api/v1/sites/:site')
export class VersionsController {
  constructor(@Inject(ServiceClient) private readonly services: ServiceClient) {}

  @Get('history')
  async history(@Param('site') site: string) {
    const subject = subjects.command('delta', 'History');
    const schemas = [HistoryQuerySchema, SiteHistorySchema] as const;
    const reply = await this.services.request(subject, ...schemas, { site }, queryTimeoutMs);
    return replyJson(SiteHistorySchema, reply);
  }

  @Get('diff')
  async diff(@Param('site') site: string, @Query('from') from: string, @Query('to') to: string) {
    const subject = subjects.command('delta', 'Diff');
    const query = { site, from, to };
    const schemas = [DiffQuerySchema, SiteDiffSchema] as const;
    const reply = await this.services.request(subject, ...schemas, query, queryTimeoutMs);
    return replyJson(SiteDiffSchema, reply);
  }

  @Post('checkpoints/:checkpoint/verification')
  @HttpCode(200)
  async verify(@Param('site') site: string, @Param('checkpoint') checkpoint: string) {
    const subject = subjects.command('delta', 'VerifyCheckpoint');
    const query = { site, checkpoint };
    const schemas = [VerifyCheckpointSchema, CheckpointVerificationSchema] as const;
    const reply = await this.services.request(subject, ...schemas, query, verifyTimeoutMs);
    return replyJson(CheckpointVerificationSchema, reply);
  }

  @Patch('checkpoints/:checkpoint')
  @HttpCode(200)
  pin(
    @Param('site') site: string,
    @Param('checkpoint') checkpoint: string,
    @Body() body: unknown,
    @Req() request: FastifyRequest,
  ) {
    const command = { ...parseBody(PinCheckpointSchema, body), site, checkpoint };
    const schema = PinCheckpointSchema;
    return this.services.command('delta', 'PinCheckpoint', schema, command, callerOf(request));
  }

  @Delete('checkpoints/:checkpoint')
  remove(
    @Param('site') site: string,
    @Param('checkpoint') checkpoint: string,
    @Req() request: FastifyRequest,
  ) {
    const command = { site, checkpoint };
    const schema = DeleteCheckpointSchema;
    return this.services.command('delta', 'DeleteCheckpoint', schema, command, callerOf(request));
  }
}
