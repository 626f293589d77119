import type { MessageInitShape } from '@bufbuild/protobuf';
import { Controller, Inject } from '@nestjs/common';
import {
  type EnrolNode,
  EnrolNodeSchema,
  type FixTree,
  FixTreeSchema,
  type LocateSegment,
  LocateSegmentSchema,
  NextLeaderReplySchema,
  type NextLeaderRequest,
  NextLeaderRequestSchema,
  PeersReplySchema,
  type PeersRequest,
  PeersRequestSchema,
  type RecordedEvent,
  type ReleaseTree,
  ReleaseTreeSchema,
  type RemoveNode,
  RemoveNodeSchema,
  type RenameSegment,
  RenameSegmentSchema,
  type SignedReport,
  subjects,
  type TreeQuery,
  TreeQuerySchema,
  type TreeView,
  TreeViewSchema,
} from '#libs/contracts/index.js';
import type { Caller } from '#libs/nest-jetstream/context.js';
import { OnCommand, OnEvent, OnIngress, OnRequest } from '#libs/nest-jetstream/decorators.js';
import { Administration } from '../app/administration.js';
import { EnrolmentService } from '../app/enrolment.js';
import { HandOut } from '../app/hand-out.js';
import { Reports } from '../app/reports.js';
import { AskedForAnother } from '../domain/errors.js';

/** What the tree planner hears: enrolments, built assignments, leaders' reports and questions. */
@Controller()
export class TreePlannerController {
  constructor(
    @Inject(EnrolmentService) private readonly enrolment: EnrolmentService,
    @Inject(HandOut) private readonly handOut: HandOut,
    @Inject(Reports) private readonly reports: Reports,
    @Inject(Administration) private readonly administration: Administration,
  ) {}

  @OnCommand('tree-planner', 'EnrolNode', EnrolNodeSchema)
  enrolNode(command: EnrolNode, caller: Caller): Promise<{ id: string; sequence: number }> {
    return this.enrolment.enrol(command, caller);
  }

  @OnCommand('tree-planner', 'RemoveNode', RemoveNodeSchema)
  removeNode(command: RemoveNode, caller: Caller): Promise<{ id: string; sequence: number }> {
    return this.enrolment.remove(command, caller);
  }

  @OnRequest(
    subjects.agentRequest('tree-planner', 'next', '*'),
    NextLeaderRequestSchema,
    NextLeaderReplySchema,
  )
  next(
    request: NextLeaderRequest,
    caller: Caller,
  ): Promise<MessageInitShape<typeof NextLeaderReplySchema>> {
    requireOwn(request, caller);
    return this.handOut.next(request, caller);
  }

  @OnCommand('tree-planner', 'RenameSegment', RenameSegmentSchema)
  renameSegment(command: RenameSegment, caller: Caller): Promise<{ id: string; sequence: number }> {
    return this.administration.rename(command, caller);
  }

  @OnCommand('tree-planner', 'LocateSegment', LocateSegmentSchema)
  locateSegment(command: LocateSegment, caller: Caller): Promise<{ id: string; sequence: number }> {
    return this.administration.locate(command, caller);
  }

  @OnCommand('tree-planner', 'FixTree', FixTreeSchema)
  fixTree(command: FixTree, caller: Caller): Promise<{ id: string; sequence: number }> {
    return this.administration.fix(command, caller);
  }

  @OnCommand('tree-planner', 'ReleaseTree', ReleaseTreeSchema)
  releaseTree(command: ReleaseTree, caller: Caller): Promise<{ id: string; sequence: number }> {
    return this.administration.release(command, caller);
  }

  @OnRequest(subjects.command('tree-planner', 'Tree'), TreeQuerySchema, TreeViewSchema)
  async tree(query: TreeQuery): Promise<TreeView> {
    return this.administration.tree(query);
  }

  @OnRequest(
    subjects.agentRequest('tree-planner', 'peers', '*'),
    PeersRequestSchema,
    PeersReplySchema,
  )
  async peers(
    request: PeersRequest,
    caller: Caller,
  ): Promise<MessageInitShape<typeof PeersReplySchema>> {
    requireOwn(request, caller);
    return this.administration.peers(request);
  }

  @OnEvent('AssignmentBuilt')
  onAssignmentBuilt(event: RecordedEvent<'AssignmentBuilt'>): Promise<void> {
    return this.handOut.plan(event);
  }

  @OnIngress('segment')
  onSegment(report: SignedReport): Promise<void> {
    return this.reports.onSegment(report);
  }

  @OnIngress('links')
  onLinks(report: SignedReport): Promise<void> {
    return this.reports.onLinks(report);
  }

  @OnIngress('received')
  onReceived(report: SignedReport): Promise<void> {
    return this.reports.onReceived(report);
  }
}

/** @throws AskedForAnother */
function requireOwn({ leader }: { readonly leader: string }, { actor }: Caller): void {
  if (actor !== `agent:${leader}`) throw new AskedForAnother(actor, leader);
}
