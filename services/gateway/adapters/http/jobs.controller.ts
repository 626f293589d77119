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
  UseGuards,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { uuidv7 } from 'uuidv7';
import {
  CreateJobSchema,
  DeleteJobSchema,
  EditJobSchema,
  JobListSchema,
  JobsQuerySchema,
  JobViewSchema,
  OutsideEventSchema,
  PauseJobSchema,
  ResumeJobSchema,
  subjects,
  TriggerJobSchema,
} from '#libs/contracts/index.js';
import { ServiceClient } from '#libs/nest-jetstream/service-client.js';
import { parseBody, replyJson } from '../../app/json.js';
import { outsideEventOf } from '../../app/outside-event.js';
import { callerOf } from './caller.js';
import { queryTimeoutMs, sequenceOf } from './lists.controller.js';
import { SignedEventGuard } from './signed-event.guard.js';

/** Jobs, and what makes them run from outside. */
@Controller('api/v1')
export class JobsController {
  constructor(@Inject(ServiceClient) private readonly services: ServiceClient) {}

  @Get('jobs')
  async list(
    @Query('limit') limit: string,
    @Query('after') after: string,
    @Query('atSequence') atSequence: string,
  ) {
    const page = { after: after ?? '', limit: Number(sequenceOf(limit)) };
    return replyJson(JobListSchema, await this.query({ ...page, job: '' }, atSequence));
  }

  @Get('jobs/:job')
  async describe(@Param('job') job: string, @Query('atSequence') atSequence: string) {
    const { jobs } = await this.query({ job }, atSequence);
    return jobs[0] ? replyJson(JobViewSchema, jobs[0]) : {};
  }

  @Post('jobs')
  create(@Body() body: unknown, @Req() request: FastifyRequest) {
    const command = parseBody(CreateJobSchema, body);
    return this.send(request, 'CreateJob', CreateJobSchema, command);
  }

  @Patch('jobs/:job')
  @HttpCode(200)
  edit(@Param('job') job: string, @Body() body: unknown, @Req() request: FastifyRequest) {
    const command = { ...parseBody(EditJobSchema, body), job };
    return this.send(request, 'EditJob', EditJobSchema, command);
  }

  @Delete('jobs/:job')
  remove(@Param('job') job: string, @Req() request: FastifyRequest) {
    return this.send(request, 'DeleteJob', DeleteJobSchema, { job });
  }

  @Post('jobs/:job/pause')
  @HttpCode(200)
  pause(@Param('job') job: string, @Req() request: FastifyRequest) {
    return this.send(request, 'PauseJob', PauseJobSchema, { job });
  }

  @Post('jobs/:job/resume')
  @HttpCode(200)
  resume(@Param('job') job: string, @Req() request: FastifyRequest) {
    return this.send(request, 'ResumeJob', ResumeJobSchema, { job });
  }

  @Post('jobs/:job/trigger')
  @HttpCode(202)
  trigger(@Param('job') job: string, @Body() body: unknown, @Req() request: FastifyRequest) {
    return this.start(job, body, request, false);
  }

  /** A load balancer wants the job to run now, perhaps for these paths on so many servers. */
  @Post('jobs/:job/load-balancer')
  @HttpCode(202)
  loadBalancer(@Param('job') job: string, @Body() body: unknown, @Req() request: FastifyRequest) {
    return this.start(job, body, request, true);
  }

  @Post('jobs/:job/events')
  @UseGuards(SignedEventGuard)
  @HttpCode(202)
  eventFor(@Param('job') job: string, @Body() body: unknown, @Req() request: FastifyRequest) {
    const event = outsideEventOf(request.headers, body, job);
    return this.send(request, 'OutsideEvent', OutsideEventSchema, event);
  }

  /** For every job that waits for events of its type. */
  @Post('outside-events')
  @UseGuards(SignedEventGuard)
  @HttpCode(202)
  eventForAll(@Body() body: unknown, @Req() request: FastifyRequest) {
    const event = outsideEventOf(request.headers, body, '');
    return this.send(request, 'OutsideEvent', OutsideEventSchema, event);
  }

  private async start(job: string, body: unknown, request: FastifyRequest, loadBalancer: boolean) {
    const asked = parseBody(TriggerJobSchema, body);
    const command = { ...asked, job, runId: asked.runId || uuidv7(), loadBalancer };
    const done = await this.send(request, 'TriggerJob', TriggerJobSchema, command);
    return { runId: done.id, sequence: String(done.sequence) };
  }

  private query(query: { job: string; after?: string; limit?: number }, atSequence: string) {
    const subject = subjects.command('scheduler', 'Jobs');
    const whole = { ...query, atSequence: sequenceOf(atSequence) };
    const schemas = [JobsQuerySchema, JobListSchema] as const;
    return this.services.request(subject, ...schemas, whole, queryTimeoutMs);
  }

  private send(
    request: FastifyRequest,
    name: string,
    ...message: [Parameters<ServiceClient['command']>[2], Parameters<ServiceClient['command']>[3]]
  ) {
    return this.services.command('scheduler', name, ...message, callerOf(request));
  }
}
