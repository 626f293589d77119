import { create, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import * as events from './generated/espalier/v1/events_pb.js';

/**
 * Every domain event: its name in the code, its schema, and (by the schema) its name on the wire.
 * Names are never reused and never removed: old events must decode for ever.
 */
export const eventCatalogue = {
  SiteCreated: events.SiteCreatedSchema,
  SiteEdited: events.SiteEditedSchema,
  GroupCreated: events.GroupCreatedSchema,
  GroupEdited: events.GroupEditedSchema,
  GroupDeleted: events.GroupDeletedSchema,
  NodeEnrolled: events.NodeEnrolledSchema,
  NodeRemoved: events.NodeRemovedSchema,
  SegmentChanged: events.SegmentChangedSchema,
  SegmentRenamed: events.SegmentRenamedSchema,
  SegmentLocated: events.SegmentLocatedSchema,
  LinksMeasured: events.LinksMeasuredSchema,
  TreeFixed: events.TreeFixedSchema,
  TreeReleased: events.TreeReleasedSchema,
  RunRequested: events.RunRequestedSchema,
  RunStarted: events.RunStartedSchema,
  RunQueued: events.RunQueuedSchema,
  RunDeferred: events.RunDeferredSchema,
  RunCancelled: events.RunCancelledSchema,
  RunClosed: events.RunClosedSchema,
  ClaimTaken: events.ClaimTakenSchema,
  ClaimQueued: events.ClaimQueuedSchema,
  ClaimReleased: events.ClaimReleasedSchema,
  RolloutStarted: events.RolloutStartedSchema,
  WaveStarted: events.WaveStartedSchema,
  WaveSoaking: events.WaveSoakingSchema,
  WavePassed: events.WavePassedSchema,
  WaveFailed: events.WaveFailedSchema,
  RolloutPaused: events.RolloutPausedSchema,
  RolloutPromoted: events.RolloutPromotedSchema,
  RolloutRolledBack: events.RolloutRolledBackSchema,
  RolloutEnded: events.RolloutEndedSchema,
  JobCreated: events.JobCreatedSchema,
  JobEdited: events.JobEditedSchema,
  JobPaused: events.JobPausedSchema,
  JobResumed: events.JobResumedSchema,
  JobDeleted: events.JobDeletedSchema,
  JobOccurrenceSkipped: events.JobOccurrenceSkippedSchema,
  ChangeSetComputed: events.ChangeSetComputedSchema,
  ChangeSetFailed: events.ChangeSetFailedSchema,
  AssignmentBuilt: events.AssignmentBuiltSchema,
  AssignmentFailed: events.AssignmentFailedSchema,
  DistributionPlanned: events.DistributionPlannedSchema,
  LeaderNotified: events.LeaderNotifiedSchema,
  LeaderReceived: events.LeaderReceivedSchema,
  LeaderFailed: events.LeaderFailedSchema,
  DistributionCompleted: events.DistributionCompletedSchema,
  SegmentPrepared: events.SegmentPreparedSchema,
  SegmentSwitched: events.SegmentSwitchedSchema,
  CommitIssued: events.CommitIssuedSchema,
  RunCompleted: events.RunCompletedSchema,
  RunPartiallyCompleted: events.RunPartiallyCompletedSchema,
  RunFailed: events.RunFailedSchema,
  GoLiveApproved: events.GoLiveApprovedSchema,
  RunAborted: events.RunAbortedSchema,
  ShadowMoved: events.ShadowMovedSchema,
  SnapshotRecorded: events.SnapshotRecordedSchema,
  CheckpointCreated: events.CheckpointCreatedSchema,
  CheckpointPinned: events.CheckpointPinnedSchema,
  CheckpointDeleted: events.CheckpointDeletedSchema,
  WebhookRegistered: events.WebhookRegisteredSchema,
  WebhookDisabled: events.WebhookDisabledSchema,
  WebhookEnabled: events.WebhookEnabledSchema,
  WebhookDeleted: events.WebhookDeletedSchema,
  WebhookDeliveryFailed: events.WebhookDeliveryFailedSchema,
} as const;

export type EventType = keyof typeof eventCatalogue;

/** One of the events named by `T`, as a union discriminated by `type`. */
export type DomainEvent<T extends EventType = EventType> = {
  [K in T]: { readonly type: K; readonly data: MessageShape<(typeof eventCatalogue)[K]> };
}[T];

/** Makes an event; absent fields take their protobuf defaults. */
export function event<T extends EventType>(
  type: T,
  init: MessageInitShape<(typeof eventCatalogue)[T]>,
): DomainEvent<T> {
  return { type, data: create(eventCatalogue[type], init as never) } as unknown as DomainEvent<T>;
}

/** The wire name of an event type, e.g. `espalier.v1.RunStarted`. */
export function wireName(type: EventType): string {
  return eventCatalogue[type].typeName;
}

/** The event type of a wire name, or `undefined` for one that this version does not know. */
export function eventTypeOf(name: string): EventType | undefined {
  return typesByWireName.get(name);
}

const typesByWireName = new Map(
  (Object.keys(eventCatalogue) as EventType[]).map((type) => [wireName(type), type]),
);
