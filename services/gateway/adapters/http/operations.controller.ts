import { Body, Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import {
  ArchiveClosedRunsSchema,
  ReadModelsRebuiltSchema,
  RebuildReadModelsSchema,
  RunsArchivedSchema,
  StorageQuerySchema,
  StorageViewSchema,
  subjects,
} from '#libs/contracts/index.js';
import { ServiceClient } from '#libs/nest-jetstream/service-client.js';
import { parseBody, replyJson } from '../../app/json.js';

/** A whole log is read. */
const rebuildTimeoutMs = 30 * 60_000;
const queryTimeoutMs = 20_000;

/** What an operator asks of reporting: rebuild, archive, sizes. */
@Controller('api/v1')
export class OperationsController {
  constructor(@Inject(ServiceClient) private readonly services: ServiceClient) {}

  @Post('read-models/rebuild')
  @HttpCode(200)
  async rebuild() {
    const rebuilt = await this.services.request(
      subjects.command('reporting', 'RebuildReadModels'),
      RebuildReadModelsSchema,
      ReadModelsRebuiltSchema,
      {},
      rebuildTimeoutMs,
    );
    return replyJson(ReadModelsRebuiltSchema, rebuilt);
  }

  @Get('storage')
  async storage() {
    const storage = await this.services.request(
      subjects.command('reporting', 'Storage'),
      StorageQuerySchema,
      StorageViewSchema,
      {},
      queryTimeoutMs,
    );
    return replyJson(StorageViewSchema, storage);
  }

  @Post('archive')
  @HttpCode(200)
  async archive(@Body() body: unknown) {
    const archived = await this.services.request(
      subjects.command('reporting', 'ArchiveClosedRuns'),
      ArchiveClosedRunsSchema,
      RunsArchivedSchema,
      parseBody(ArchiveClosedRunsSchema, body),
      rebuildTimeoutMs,
    );
    return replyJson(RunsArchivedSchema, archived);
  }
}
