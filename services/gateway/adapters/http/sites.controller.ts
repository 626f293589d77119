import {
  Body,
  Controller,
  Delete,
  HttpCode,
  Inject,
  Param,
  Patch,
  Post,
  Req,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import {
  ConfigureSiteSchema,
  CreateGroupSchema,
  CreateSiteSchema,
  DeleteGroupSchema,
  EditGroupSchema,
  EditSiteSchema,
} from '#libs/contracts/index.js';
import { ServiceClient } from '#libs/nest-jetstream/service-client.js';
import { parseBody } from '../../app/json.js';
import { callerOf } from './caller.js';

/** Commands on sites and groups; the bodies are the command messages of proto/espalier/v1. */
@Controller('api/v1')
export class SitesController {
  constructor(@Inject(ServiceClient) private readonly services: ServiceClient) {}

  @Post('sites')
  createSite(@Body() body: unknown, @Req() request: FastifyRequest) {
    const command = parseBody(CreateSiteSchema, body);
    return this.send(request, 'CreateSite', CreateSiteSchema, command);
  }

  @Patch('sites/:site')
  @HttpCode(200)
  editSite(@Param('site') site: string, @Body() body: unknown, @Req() request: FastifyRequest) {
    const command = { ...parseBody(EditSiteSchema, body), site };
    return this.send(request, 'EditSite', EditSiteSchema, command);
  }

  @Post('sites/:site/configuration')
  @HttpCode(200)
  configureSite(
    @Param('site') site: string,
    @Body() body: unknown,
    @Req() request: FastifyRequest,
  ) {
    const command = { ...parseBody(ConfigureSiteSchema, body), site };
    return this.send(request, 'ConfigureSite', ConfigureSiteSchema, command);
  }

  @Post('groups')
  createGroup(@Body() body: unknown, @Req() request: FastifyRequest) {
    const command = parseBody(CreateGroupSchema, body);
    return this.send(request, 'CreateGroup', CreateGroupSchema, command);
  }

  @Patch('groups/:group')
  @HttpCode(200)
  editGroup(@Param('group') group: string, @Body() body: unknown, @Req() request: FastifyRequest) {
    const command = { ...parseBody(EditGroupSchema, body), group };
    return this.send(request, 'EditGroup', EditGroupSchema, command);
  }

  @Delete('groups/:group')
  deleteGroup(@Param('group') group: string, @Req() request: FastifyRequest) {
    return this.send(request, 'DeleteGroup', DeleteGroupSchema, { group });
  }

  private send(
    request: FastifyRequest,
    name: string,
    ...message: [Parameters<ServiceClient['command']>[2], Parameters<ServiceClient['command']>[3]]
  ) {
    return this.services.command('scheduler', name, ...message, callerOf(request));
  }
}
