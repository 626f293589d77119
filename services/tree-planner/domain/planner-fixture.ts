import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type CommitPolicySchema,
  type DomainEvent,
  event,
  JobType,
  type RecordedEvent,
  type RunTarget,
  RunTargetSchema,
  type SegmentChangedSchema,
} from '#libs/contracts/index.js';
import { ownerOf } from '#libs/event-log/event-owners.js';
import { emptyPlannerView, evolvePlannerView, type PlannerView } from './planner-view.js';

/** Builders for specs of the planner: one run `r`, one assignment `a`, segments with one server. */
export const runId = 'r';
export const assignmentId = 'a';

export function runStarted(commit?: MessageInitShape<typeof CommitPolicySchema>): DomainEvent {
  return event('RunStarted', { runId, site: 'www', commit });
}

export function assignmentBuilt(
  segments: readonly string[],
  type = JobType.PUBLISH,
  containerBytes = 1_000,
): DomainEvent {
  const targets: RunTarget[] = segments.map((segment) =>
    create(RunTargetSchema, { segment, nodes: [`${segment}-1`] }),
  );
  return event('AssignmentBuilt', {
    assignmentId,
    runId,
    site: 'www',
    sequence: 3n,
    type,
    containerDigest: new Uint8Array([1, 2]),
    containerBytes: BigInt(containerBytes),
    targets,
  });
}

export function segmentLed(
  segment: string,
  changes: MessageInitShape<typeof SegmentChangedSchema> = {},
): DomainEvent<'SegmentChanged'> {
  const leader = changes.leader ?? `${segment}-1`;
  const httpUrl = `http://${leader}`;
  const members = [{ node: leader, httpUrl }];
  return event('SegmentChanged', { segment, leader, term: 1n, httpUrl, members, ...changes });
}

export function planned(segments: readonly string[]): DomainEvent {
  const leaders = segments.map((segment) => ({
    segment,
    leader: `${segment}-1`,
    nodes: [`${segment}-1`],
  }));
  return event('DistributionPlanned', { assignmentId, runId, leaders });
}

export function notified(segment: string, source = 'origin', leader = `${segment}-1`): DomainEvent {
  return event('LeaderNotified', { assignmentId, runId, segment, leader, source });
}

export function received(segment: string, leader = `${segment}-1`): DomainEvent {
  return event('LeaderReceived', { assignmentId, runId, segment, leader, source: 'origin' });
}

export function failed(segment: string): DomainEvent {
  const leader = `${segment}-1`;
  return event('LeaderFailed', { assignmentId, runId, segment, leader, reason: 'silent' });
}

/** An event and when it happened, in milliseconds. */
export type TimedEvent = readonly [number, DomainEvent];

/** The view after events, e.g. `[100, runStarted()]`. */
export function viewAfter(...history: readonly TimedEvent[]): PlannerView {
  return history
    .map(([timeMs, happened], index) => recorded(happened, index + 1, timeMs))
    .reduce(evolvePlannerView, emptyPlannerView);
}

function recorded(happened: DomainEvent, sequence: number, timeMs: number): RecordedEvent {
  const context = { actor: 'test', correlationId: runId, causationId: `c-${sequence}` };
  return {
    ...happened,
    id: `e-${sequence}`,
    aggregate: { type: ownerOf[happened.type], id: assignmentId },
    sequence,
    version: sequence,
    timeMs,
    context: { ...context, traceparent: '00-trace' },
  } as RecordedEvent;
}
