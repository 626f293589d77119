import { Controller, Inject } from '@nestjs/common';
import {
  type CreateGroup,
  CreateGroupSchema,
  type CreateSite,
  CreateSiteSchema,
  type DeleteGroup,
  DeleteGroupSchema,
  type EditGroup,
  EditGroupSchema,
  type ExpectedQuery,
  ExpectedQuerySchema,
  ExpectedVersionsSchema,
  type RecordedEvent,
  type RequestRun,
  RequestRunSchema,
  subjects,
} from '#libs/contracts/index.js';
import type { Caller } from '#libs/nest-jetstream/context.js';
import { OnCommand, OnEvent, OnRequest } from '#libs/nest-jetstream/decorators.js';
import { type Accepted, Scheduler } from '../app/scheduler.js';
import { Tending } from '../app/tending.js';

/** What the scheduler hears: commands, outcomes of runs, and what may make servers stale. */
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

  @OnCommand('scheduler', 'RequestRun', RequestRunSchema)
  requestRun(command: RequestRun, caller: Caller): Promise<Accepted> {
    return this.scheduler.requestRun(command, caller);
  }

  @OnEvent('RunCompleted')
  onRunCompleted(event: RecordedEvent<'RunCompleted'>): Promise<void> {
    return this.scheduler.closeRun(event);
  }

  @OnEvent('RunPartiallyCompleted')
  onRunPartiallyCompleted(event: RecordedEvent<'RunPartiallyCompleted'>): Promise<void> {
    return this.scheduler.closeRun(event);
  }

  @OnEvent('RunFailed')
  onRunFailed(event: RecordedEvent<'RunFailed'>): Promise<void> {
    return this.scheduler.closeRun(event);
  }

  @OnEvent('RunAborted')
  onRunAborted(event: RecordedEvent<'RunAborted'>): Promise<void> {
    return this.scheduler.closeRun(event);
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
  @OnEvent('RunClosed')
  @OnEvent('RunCancelled')
  async mayBeStale(event: RecordedEvent): Promise<void> {
    this.tending.happened(event);
  }
}
