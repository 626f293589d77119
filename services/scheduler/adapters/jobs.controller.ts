import { Controller, Inject } from '@nestjs/common';
import {
  type CreateJob,
  CreateJobSchema,
  type DeleteJob,
  DeleteJobSchema,
  type EditJob,
  EditJobSchema,
  JobListSchema,
  type JobsQuery,
  JobsQuerySchema,
  type OutsideEvent,
  OutsideEventSchema,
  type PauseJob,
  PauseJobSchema,
  type ResumeJob,
  ResumeJobSchema,
  subjects,
  type TriggerJob,
  TriggerJobSchema,
} from '#libs/contracts/index.js';
import type { Caller } from '#libs/nest-jetstream/context.js';
import { OnCommand, OnRequest } from '#libs/nest-jetstream/decorators.js';
import { Jobs } from '../app/jobs.js';
import type { Accepted } from '../app/runs.js';

/** Commands and queries about jobs. */
@Controller()
export class JobsController {
  constructor(@Inject(Jobs) private readonly jobs: Jobs) {}

  @OnCommand('scheduler', 'CreateJob', CreateJobSchema)
  create(command: CreateJob, caller: Caller): Promise<Accepted> {
    return this.jobs.create(command, caller);
  }

  @OnCommand('scheduler', 'EditJob', EditJobSchema)
  edit(command: EditJob, caller: Caller): Promise<Accepted> {
    return this.jobs.edit(command, caller);
  }

  @OnCommand('scheduler', 'PauseJob', PauseJobSchema)
  pause(command: PauseJob, caller: Caller): Promise<Accepted> {
    return this.jobs.pause(command, caller);
  }

  @OnCommand('scheduler', 'ResumeJob', ResumeJobSchema)
  resume(command: ResumeJob, caller: Caller): Promise<Accepted> {
    return this.jobs.resume(command, caller);
  }

  @OnCommand('scheduler', 'DeleteJob', DeleteJobSchema)
  delete(command: DeleteJob, caller: Caller): Promise<Accepted> {
    return this.jobs.delete(command, caller);
  }

  @OnCommand('scheduler', 'TriggerJob', TriggerJobSchema)
  trigger(command: TriggerJob, caller: Caller): Promise<Accepted> {
    return this.jobs.trigger(command, caller);
  }

  @OnCommand('scheduler', 'OutsideEvent', OutsideEventSchema)
  outsideEvent(command: OutsideEvent, caller: Caller): Promise<Accepted> {
    return this.jobs.heard(command, caller);
  }

  @OnRequest(subjects.command('scheduler', 'Jobs'), JobsQuerySchema, JobListSchema)
  list(query: JobsQuery) {
    return this.jobs.list(query);
  }
}
