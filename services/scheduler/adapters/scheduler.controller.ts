import { Controller, Inject } from '@nestjs/common';
import {
  type ConfigureSite,
  ConfigureSiteSchema,
  type CreateGroup,
  CreateGroupSchema,
  type CreateSite,
  CreateSiteSchema,
  type DeleteGroup,
  DeleteGroupSchema,
  type EditGroup,
  EditGroupSchema,
  type EditSite,
  EditSiteSchema,
  type ExpectedQuery,
  ExpectedQuerySchema,
  ExpectedVersionsSchema,
  type RecordedEvent,
  subjects,
} from '#libs/contracts/index.js';
import type { Caller } from '#libs/nest-jetstream/context.js';
import { OnCommand, OnEvent, OnRequest } from '#libs/nest-jetstream/decorators.js';
import type { Accepted } from '../app/runs.js';
import { Scheduler } from '../app/scheduler.js';
import { Tending } from '../app/tending.js';

/** What the scheduler hears: commands on sites and groups, and what may make servers stale. */
@Controller()
export class SchedulerController {
  constructor(
    @Inject(Scheduler) private readonly scheduler: Scheduler,
    @Inject(Tending) private readonly tending: Tending,
  ) {}

  @OnCommand('scheduler', 'CreateSite', CreateSiteSchema)
  createSite(command: CreateSite, caller: Caller): Promise<Accepted> {
    return this.scheduler.createSite(command, caller);
  }

  @OnCommand('scheduler', 'EditSite', EditSiteSchema)
  editSite(command: EditSite, caller: Caller): Promise<Accepted> {
    return this.scheduler.editSite(command, caller);
  }

  @OnCommand('scheduler', 'ConfigureSite', ConfigureSiteSchema)
  configureSite(command: ConfigureSite, caller: Caller): Promise<Accepted> {
    return this.scheduler.configureSite(command, caller);
  }

  @OnCommand('scheduler', 'CreateGroup', CreateGroupSchema)
  createGroup(command: CreateGroup, caller: Caller): Promise<Accepted> {
    return this.scheduler.createGroup(command, caller);
  }

  @OnCommand('scheduler', 'EditGroup', EditGroupSchema)
  editGroup(command: EditGroup, caller: Caller): Promise<Accepted> {
    return this.scheduler.editGroup(command, caller);
  }

  @OnCommand('scheduler', 'DeleteGroup', DeleteGroupSchema)
  deleteGroup(command: DeleteGroup, caller: Caller): Promise<Accepted> {
    return this.scheduler.deleteGroup(command, caller);
  }

  @OnRequest(
    subjects.command('scheduler', 'ExpectedVersions'),
    ExpectedQuerySchema,
    ExpectedVersionsSchema,
  )
  expectedVersions(query: ExpectedQuery) {
    return this.tending.expected(query);
  }

  @OnEvent('SegmentChanged')
  @OnEvent('GroupCreated')
  @OnEvent('GroupEdited')
  @OnEvent('RunCancelled')
  async mayBeStale(event: RecordedEvent): Promise<void> {
    this.tending.happened(event);
  }
}
