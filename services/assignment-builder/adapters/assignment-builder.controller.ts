import { Controller, Inject } from '@nestjs/common';
import type { RecordedEvent } from '#libs/contracts/index.js';
import { OnEvent } from '#libs/nest-jetstream/decorators.js';
import { AssignmentBuilder } from '../app/assignment-builder.js';

/** What the assignment builder hears. */
@Controller()
export class AssignmentBuilderController {
  constructor(@Inject(AssignmentBuilder) private readonly builder: AssignmentBuilder) {}

  @OnEvent('ChangeSetComputed')
  onChangeSetComputed(event: RecordedEvent<'ChangeSetComputed'>): Promise<void> {
    return this.builder.prepare(event);
  }

  @OnEvent('CommitIssued')
  onCommitIssued(event: RecordedEvent<'CommitIssued'>): Promise<void> {
    return this.builder.switch(event);
  }
}
