import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import {
  FixTreeSchema,
  LocateSegmentSchema,
  ReleaseTreeSchema,
  RenameSegmentSchema,
  subjects,
  TreeQuerySchema,
  TreeViewSchema,
} from '#libs/contracts/index.js';
import { ServiceClient } from '#libs/nest-jetstream/service-client.js';
import { parseBody, replyJson } from '../../app/json.js';
import { callerOf } from './caller.js';
import { queryTimeoutMs, sequenceOf } from './lists.controller.js';

/** Who pulls from whom, and what administrators say about it and about segments. */
@Controller('api/v1')
export class TreeController {
  constructor(@Inject(ServiceClient) private readonly services: ServiceClient) {}

  /** `*`: what holds for every site that has no tree of its own. */
  @Get('trees/:site')
  async show(@Param('site') site: string, @Query('sizeBytes') sizeBytes: string) {
    const subject = subjects.command('tree-planner', 'Tree');
    const query = { site, sizeBytes: sequenceOf(sizeBytes) };
    const schemas = [TreeQuerySchema, TreeViewSchema] as const;
    const view = await this.services.request(subject, ...schemas, query, queryTimeoutMs);
    return replyJson(TreeViewSchema, view);
  }

  /** Only of some segments. */
  @Post('trees/:site/predict')
  @HttpCode(200)
  async predict(@Param('site') site: string, @Body() body: unknown) {
    const subject = subjects.command('tree-planner', 'Tree');
    const query = { ...parseBody(TreeQuerySchema, body ?? {}), site };
    const schemas = [TreeQuerySchema, TreeViewSchema] as const;
    const view = await this.services.request(subject, ...schemas, query, queryTimeoutMs);
    return replyJson(TreeViewSchema, view);
  }

  @Post('trees/:site/fix')
  @HttpCode(202)
  fix(@Param('site') site: string, @Body() body: unknown, @Req() http: FastifyRequest) {
    const command = { ...parseBody(FixTreeSchema, body), site };
    return this.services.command('tree-planner', 'FixTree', FixTreeSchema, command, callerOf(http));
  }

  @Post('trees/:site/release')
  @HttpCode(202)
  release(@Param('site') site: string, @Body() body: unknown, @Req() http: FastifyRequest) {
    const command = { ...parseBody(ReleaseTreeSchema, body ?? {}), site };
    const what = ['tree-planner', 'ReleaseTree', ReleaseTreeSchema] as const;
    return this.services.command(...what, command, callerOf(http));
  }

  @Post('segments/:segment/rename')
  @HttpCode(202)
  rename(@Param('segment') segment: string, @Body() body: unknown, @Req() http: FastifyRequest) {
    const command = { ...parseBody(RenameSegmentSchema, body), segment };
    const what = ['tree-planner', 'RenameSegment', RenameSegmentSchema] as const;
    return this.services.command(...what, command, callerOf(http));
  }

  @Post('segments/:segment/place')
  @HttpCode(202)
  locate(@Param('segment') segment: string, @Body() body: unknown, @Req() http: FastifyRequest) {
    const command = { ...parseBody(LocateSegmentSchema, body), segment };
    const what = ['tree-planner', 'LocateSegment', LocateSegmentSchema] as const;
    return this.services.command(...what, command, callerOf(http));
  }
}
