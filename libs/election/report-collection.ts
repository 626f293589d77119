import { create } from '@bufbuild/protobuf';
import {
  type AssignmentReport,
  AssignmentReportSchema,
  NodeStatus,
  type ReportRequest,
  ReportRequestSchema,
} from '#libs/contracts/index.js';
import type { ReportTimings } from './timings.js';

export type CollectionTimings = Pick<
  ReportTimings,
  'requestIntervalMs' | 'requestLimit' | 'broadcastAboveShare'
>;

/** The leader's side of reporting: one assignment, the nodes that take part, who has reported. */
export interface Collection {
  readonly assignmentId: string;
  readonly participants: readonly string[];
  readonly timings: CollectionTimings;
  readonly reports: ReadonlyMap<string, AssignmentReport>;
  readonly requestsSent: number;
  readonly requestAtMs: number;
  /** Everybody has reported, or was asked as often as the limit allows. */
  readonly ended: boolean;
}

export type CollectionInput =
  | { readonly type: 'tick' }
  | { readonly type: 'report'; readonly report: AssignmentReport };

export type CollectionEffect =
  | { readonly type: 'request-one'; readonly node: string; readonly request: ReportRequest }
  | { readonly type: 'request-all'; readonly request: ReportRequest }
  /** One report per participant, in their order. */
  | { readonly type: 'ended'; readonly reports: readonly AssignmentReport[] };

export function startCollection(
  assignmentId: string,
  participants: readonly string[],
  timings: CollectionTimings,
  firstRequestAtMs: number,
): Collection {
  return {
    assignmentId,
    participants: [...new Set(participants)],
    timings,
    reports: new Map(),
    requestsSent: 0,
    requestAtMs: firstRequestAtMs,
    ended: false,
  };
}

export function collectionWakeAtMs({ ended, requestAtMs }: Collection): number {
  return ended ? Number.POSITIVE_INFINITY : requestAtMs;
}

export function stepCollection(
  collection: Collection,
  input: CollectionInput,
  nowMs: number,
): [Collection, CollectionEffect[]] {
  if (collection.ended) return [collection, []];
  if (input.type === 'report') return end(withReport(collection, input.report));
  const missing = missingOf(collection);
  if (missing.length === 0) return end(collection);
  if (nowMs < collection.requestAtMs) return [collection, []];
  if (collection.requestsSent >= collection.timings.requestLimit) return end(collection, true);
  const requestAtMs = nowMs + collection.timings.requestIntervalMs;
  const asked = { ...collection, requestsSent: collection.requestsSent + 1, requestAtMs };
  return [asked, requestsFor(collection, missing)];
}

/** The reports so far; a missing one is there with the status MISSING. */
export function reportsOf({ assignmentId, participants, reports }: Collection): AssignmentReport[] {
  return participants.map(
    (node) =>
      reports.get(node) ??
      create(AssignmentReportSchema, { node, assignmentId, status: NodeStatus.MISSING }),
  );
}

function withReport(collection: Collection, report: AssignmentReport): Collection {
  const isWaitedFor =
    report.assignmentId === collection.assignmentId &&
    collection.participants.includes(report.node);
  if (!isWaitedFor) return collection;
  return { ...collection, reports: new Map(collection.reports).set(report.node, report) };
}

function missingOf({ participants, reports }: Collection): string[] {
  return participants.filter((node) => !reports.has(node));
}

function end(collection: Collection, givenUp = false): [Collection, CollectionEffect[]] {
  if (!givenUp && missingOf(collection).length > 0) return [collection, []];
  const effect: CollectionEffect = { type: 'ended', reports: reportsOf(collection) };
  return [{ ...collection, ended: true }, [effect]];
}

/** Few missing: each is asked. Many: one broadcast, which names whichever list is shorter. */
function requestsFor(collection: Collection, missing: string[]): CollectionEffect[] {
  const { assignmentId, participants, reports, timings } = collection;
  const request = (lists: { missing?: string[]; reported?: string[] }) =>
    create(ReportRequestSchema, { assignmentId, ...lists });
  const askEach = missing.length <= Math.max(1, participants.length * timings.broadcastAboveShare);
  if (askEach) {
    return missing.map((node) => ({
      type: 'request-one',
      node,
      request: request({ missing: [node] }),
    }));
  }
  const lists = missing.length < reports.size ? { missing } : { reported: [...reports.keys()] };
  return [{ type: 'request-all', request: request(lists) }];
}
