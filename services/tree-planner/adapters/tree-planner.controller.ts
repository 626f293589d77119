import type { MessageInitShape } from '@bufbuild/protobuf';
import { Controller, Inject } from '@nestjs/common';
import {
  type EnrolNode,
  EnrolNodeSchema,
  NextLeaderReplySchema,
  type NextLeaderRequest,
  NextLeaderRequestSchema,
  type RecordedEvent,
  type SignedReport,
  subjects,
} from '#libs/contracts/index.js';
import type { Caller } from '#libs/nest-jetstream/context.js';
import { OnCommand, OnEvent, OnIngress, OnRequest } from '#libs/nest-jetstream/decorators.js';
import { EnrolmentService } from '../app/enrolment.js';
import { HandOut } from '../app/hand-out.js';
import { Reports } from '../app/reports.js';

/** What the tree planner hears: enrolments, built assignments, leaders' reports and questions. */
@Controller()
export class TreePlannerController {
  constructor(
    @Inject(EnrolmentService) private readonly enrolment: EnrolmentService,
    @Inject(HandOut) private readonly handOut: HandOut,
    @Inject(Reports) private readonly reports: Reports,
  ) {}

  @OnCommand('tree-planner', 'EnrolNode', EnrolNodeSchema)
  enrolNode(command: EnrolNode, caller: Caller): Promise<{ id: string; sequence: number }> {
    return this.enrolment.enrol(command, caller);
  }

  @OnRequest(
    subjects.agentRequest('tree-planner', 'next'),
    NextLeaderRequestSchema,
    NextLeaderReplySchema,
  )
  next(
    request: NextLeaderRequest,
    caller: Caller,
  ): Promise<MessageInitShape<typeof NextLeaderReplySchema>> {
    return this.handOut.next(request, caller);
  }

  @OnEvent('AssignmentBuilt')
  onAssignmentBuilt(event: RecordedEvent<'AssignmentBuilt'>): Promise<void> {
    return this.handOut.plan(event);
  }

  @OnIngress('segment')
  onSegment(report: SignedReport): Promise<void> {
    return this.reports.onSegment(report);
  }

  @OnIngress('received')
  onReceived(report: SignedReport): Promise<void> {
    return this.reports.onReceived(report);
  }
}
