import type {
  AssignmentBuilt,
  CommitPolicy,
  DomainEvent,
  MeasuredLink,
  RecordedEvent,
  Register,
} from '#libs/contracts/index.js';
import { JobType } from '#libs/contracts/index.js';
import { type AggregateHead, noEvents } from '#libs/event-log/event-log.js';
import {
  type Distribution,
  type DistributionEvent,
  distributionAggregate,
} from './distribution.js';
import {
  afterDistribution,
  afterReception,
  type LinkRates,
  nothingMeasured,
  type Served,
  withServed,
} from './link-rates.js';

import type { Place } from './segment.js';
import { type TreePolicy, treePolicyAggregate } from './tree-policy.js';

/** Who a node is. */
export interface Enrolment {
  readonly segment: string;
  readonly publicKey: Uint8Array;
}

/** A segment as its leader last reported it. */
export interface SegmentEntry {
  readonly segment: string;
  readonly leader: string;
  readonly term: bigint;
  readonly httpUrl: string;
  readonly members: readonly Register[];
  readonly changedAtMs: number;
}

/** An assignment that somebody may still need. */
export interface Delivery {
  readonly assignment: AssignmentBuilt;
  /** Of its run. */
  readonly commit?: CommitPolicy;
  readonly traceparent: string;
  readonly distribution: Distribution;
  readonly head: AggregateHead;
  /** Segment -> time of the last event about it. */
  readonly sinceMs: ReadonlyMap<string, number>;
  /** Segments whose outcome is in the log. */
  readonly reported: ReadonlySet<string>;
  /** Source -> what it has sent so far. */
  readonly served: ReadonlyMap<string, Served>;
}

/** What the log says of nodes, segments and deliveries under way. */
export interface PlannerView {
  readonly nodes: ReadonlyMap<string, Enrolment>;
  readonly segments: ReadonlyMap<string, SegmentEntry>;
  /** With when they go live. */
  readonly openRuns: ReadonlyMap<string, CommitPolicy | undefined>;
  /** By assignment; only those of open runs. */
  readonly deliveries: ReadonlyMap<string, Delivery>;
  readonly rates: LinkRates;
  /** Segment to the name that people call it by. */
  readonly names: ReadonlyMap<string, string>;
  /** Segment to where an administrator says that it is. */
  readonly places: ReadonlyMap<string, Place>;
  /** Segment to what its leader's probes found. */
  readonly links: ReadonlyMap<string, readonly MeasuredLink[]>;
  /** Segment to how its deliveries ended. */
  readonly history: ReadonlyMap<string, History>;
  /** By site. */
  readonly trees: ReadonlyMap<string, TreePolicy>;
}

/** How often a segment's leader received, and how often it failed. */
export interface History {
  readonly received: number;
  readonly failed: number;
}

export const plannerAggregates = [
  'node',
  'segment',
  'run',
  'assignment',
  'distribution',
  'run-in-segment',
  'outcome',
  'tree',
] as const;

export const emptyPlannerView: PlannerView = {
  nodes: new Map(),
  segments: new Map(),
  openRuns: new Map(),
  deliveries: new Map(),
  rates: nothingMeasured,
  names: new Map(),
  places: new Map(),
  links: new Map(),
  history: new Map(),
  trees: new Map(),
};

/** The view after one more event; events that do not concern it change nothing. */
export function evolvePlannerView(view: PlannerView, happened: RecordedEvent): PlannerView {
  switch (happened.type) {
    case 'NodeEnrolled': {
      const { node, segment, publicKey } = happened.data;
      return { ...view, nodes: new Map(view.nodes).set(node, { segment, publicKey }) };
    }
    case 'NodeRemoved': {
      const nodes = new Map(view.nodes);
      nodes.delete(happened.data.node);
      return { ...view, nodes };
    }
    case 'SegmentChanged':
      return withSegment(view, happened);
    case 'SegmentRenamed':
    case 'SegmentLocated':
    case 'LinksMeasured':
    case 'TreeFixed':
    case 'TreeReleased':
      return withAdministration(view, happened);
    case 'RunStarted': {
      const { runId, commit } = happened.data;
      return { ...view, openRuns: new Map(view.openRuns).set(runId, commit) };
    }
    case 'AssignmentBuilt':
      return withAssignment(view, happened);
    case 'DistributionPlanned':
    case 'LeaderNotified':
      return withDistributionEvent(view, happened);
    case 'LeaderFailed':
      return withDistributionEvent(withHistory(view, happened.data.segment, 'failed'), happened);
    case 'LeaderReceived':
      return withReception(view, happened);
    case 'DistributionCompleted': {
      const { served } = view.deliveries.get(happened.data.assignmentId) ?? {};
      const rates = served ? afterDistribution(view.rates, served) : view.rates;
      return { ...withDistributionEvent(view, happened), rates };
    }
    case 'SegmentPrepared':
    case 'SegmentSwitched': {
      const { assignmentId, segment } = happened.data;
      return changeDelivery(view, assignmentId, (delivery) => ({
        ...delivery,
        reported: new Set(delivery.reported).add(segment),
      }));
    }
    case 'CommitIssued':
      return withoutDeliveries(view, happened.data.runId, ({ type }) => type !== JobType.SWITCH);
    case 'RunCompleted':
    case 'RunPartiallyCompleted':
    case 'RunFailed':
    case 'RunAborted':
    case 'RunCancelled':
    case 'RunClosed':
      return withoutRun(view, happened.data.runId);
    default:
      return view;
  }
}

/** Without a leader, for it was removed, a segment is unknown until another one reports. */
function withSegment(view: PlannerView, changed: RecordedEvent<'SegmentChanged'>): PlannerView {
  const entry = { ...changed.data, changedAtMs: changed.timeMs };
  const segments = new Map(view.segments).set(entry.segment, entry);
  if (entry.leader === '') segments.delete(entry.segment);
  return { ...view, segments };
}

/** What administrators said, and what probes found. */
function withAdministration(
  view: PlannerView,
  happened: DomainEvent<
    'SegmentRenamed' | 'SegmentLocated' | 'LinksMeasured' | 'TreeFixed' | 'TreeReleased'
  >,
): PlannerView {
  switch (happened.type) {
    case 'SegmentRenamed': {
      const { segment, name } = happened.data;
      return { ...view, names: new Map(view.names).set(segment, name) };
    }
    case 'SegmentLocated':
      return { ...view, places: new Map(view.places).set(happened.data.segment, happened.data) };
    case 'LinksMeasured': {
      const { segment, links } = happened.data;
      return { ...view, links: new Map(view.links).set(segment, links) };
    }
    case 'TreeFixed':
    case 'TreeReleased': {
      const policy = treePolicyAggregate.evolve(treePolicyAggregate.initial, happened);
      return { ...view, trees: new Map(view.trees).set(happened.data.site, policy) };
    }
  }
}

function withAssignment(view: PlannerView, built: RecordedEvent<'AssignmentBuilt'>): PlannerView {
  const assignment = built.data;
  if (!view.openRuns.has(assignment.runId)) return view;
  const delivery: Delivery = {
    assignment,
    commit: view.openRuns.get(assignment.runId),
    traceparent: built.context.traceparent ?? '',
    distribution: distributionAggregate.initial,
    head: noEvents,
    sinceMs: new Map(),
    reported: new Set(),
    served: new Map(),
  };
  const deliveries = new Map(view.deliveries).set(assignment.assignmentId, delivery);
  return { ...view, deliveries };
}

function withDistributionEvent(
  view: PlannerView,
  happened: RecordedEvent & DistributionEvent,
): PlannerView {
  return changeDelivery(view, happened.data.assignmentId, (delivery) => ({
    ...delivery,
    distribution: distributionAggregate.evolve(delivery.distribution, happened),
    head: { sequence: happened.sequence, version: happened.version },
    sinceMs:
      'segment' in happened.data
        ? new Map(delivery.sinceMs).set(happened.data.segment, happened.timeMs)
        : delivery.sinceMs,
  }));
}

function withReception(view: PlannerView, received: RecordedEvent<'LeaderReceived'>): PlannerView {
  const { data, timeMs } = received;
  const rates = afterReception(view.rates, data, timeMs);
  const counted = changeDelivery(view, data.assignmentId, (delivery) => ({
    ...delivery,
    served: withServed(delivery.served, data, timeMs),
  }));
  const told = withHistory(withDistributionEvent(counted, received), data.segment, 'received');
  return { ...told, rates };
}

function withHistory(view: PlannerView, segment: string, how: keyof History): PlannerView {
  const known = view.history.get(segment) ?? { received: 0, failed: 0 };
  const after = { ...known, [how]: known[how] + 1 };
  return { ...view, history: new Map(view.history).set(segment, after) };
}

function changeDelivery(
  view: PlannerView,
  assignmentId: string,
  change: (delivery: Delivery) => Delivery,
): PlannerView {
  const delivery = view.deliveries.get(assignmentId);
  if (!delivery) return view;
  const deliveries = new Map(view.deliveries).set(assignmentId, change(delivery));
  return { ...view, deliveries };
}

/** What was not prepared in time is not wanted any more: the commit froze the set. */
function withoutDeliveries(
  view: PlannerView,
  runId: string,
  isOver: (assignment: AssignmentBuilt) => boolean,
): PlannerView {
  const kept = [...view.deliveries].filter(
    ([, { assignment }]) => assignment.runId !== runId || !isOver(assignment),
  );
  return { ...view, deliveries: new Map(kept) };
}

function withoutRun(view: PlannerView, runId: string): PlannerView {
  const openRuns = new Map(view.openRuns);
  openRuns.delete(runId);
  return { ...withoutDeliveries(view, runId, () => true), openRuns };
}
