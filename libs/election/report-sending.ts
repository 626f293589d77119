import type { Random } from '#libs/clock/clock.js';
import type { AssignmentReport, ReportRequest } from '#libs/contracts/index.js';
import type { ReportTimings } from './timings.js';

interface Kept {
  readonly report: AssignmentReport;
  /** Infinity: sent, and nobody has asked for it again. */
  readonly sendAtMs: number;
  readonly forgetAtMs: number;
}

/** A member's side of reporting: its reports by assignment, kept to answer requests. */
export interface ReportSending {
  readonly node: string;
  readonly timings: ReportTimings;
  readonly random: Random;
  readonly hasLeader: boolean;
  readonly kept: ReadonlyMap<string, Kept>;
}

export type ReportSendingInput =
  | { readonly type: 'tick' }
  | { readonly type: 'leader'; readonly known: boolean }
  | { readonly type: 'report'; readonly report: AssignmentReport; readonly memberCount: number }
  | {
      readonly type: 'request';
      readonly request: ReportRequest;
      /** Nodes that may answer the request: 1 when only this one was asked. */
      readonly memberCount: number;
    };

export interface ReportSendingEffect {
  readonly type: 'send-report';
  readonly report: AssignmentReport;
}

export function startReportSending(
  node: string,
  timings: ReportTimings,
  random: Random,
): ReportSending {
  return { node, timings, random, hasLeader: false, kept: new Map() };
}

/** Due reports wait for a leader. */
export function reportSendingWakeAtMs({ kept, hasLeader }: ReportSending): number {
  let earliestMs = Number.POSITIVE_INFINITY;
  for (const { sendAtMs, forgetAtMs } of kept.values()) {
    earliestMs = Math.min(earliestMs, forgetAtMs, hasLeader ? sendAtMs : forgetAtMs);
  }
  return earliestMs;
}

export function stepReportSending(
  state: ReportSending,
  input: ReportSendingInput,
  nowMs: number,
): [ReportSending, ReportSendingEffect[]] {
  switch (input.type) {
    case 'tick':
      return sendDue(state, nowMs);
    case 'leader':
      return [{ ...state, hasLeader: input.known }, []];
    case 'report': {
      const { report, memberCount } = input;
      const sendAtMs = nowMs + delayMs(state, memberCount);
      const forgetAtMs = nowMs + state.timings.keepMs;
      return [keep(state, { report, sendAtMs, forgetAtMs }), []];
    }
    case 'request': {
      const found = state.kept.get(input.request.assignmentId);
      if (!found) return [state, []];
      const answerAtMs = nowMs + delayMs(state, input.memberCount);
      const isMissing = asksFor(input.request, state.node);
      // Not missing means that the leader has it: a report that still waits need not be sent.
      const sendAtMs = isMissing ? Math.min(found.sendAtMs, answerAtMs) : Number.POSITIVE_INFINITY;
      return [keep(state, { ...found, sendAtMs }), []];
    }
  }
}

/** What a request means to one node: it lists either who is missing or who has reported. */
export function asksFor(request: ReportRequest, node: string): boolean {
  if (request.missing.length > 0) return request.missing.includes(node);
  return !request.reported.includes(node);
}

function sendDue(state: ReportSending, nowMs: number): [ReportSending, ReportSendingEffect[]] {
  const kept = new Map<string, Kept>();
  const effects: ReportSendingEffect[] = [];
  for (const [assignmentId, entry] of state.kept) {
    const due = state.hasLeader && nowMs >= entry.sendAtMs;
    if (due) effects.push({ type: 'send-report', report: entry.report });
    if (nowMs >= entry.forgetAtMs) continue;
    kept.set(assignmentId, due ? { ...entry, sendAtMs: Number.POSITIVE_INFINITY } : entry);
  }
  return [{ ...state, kept }, effects];
}

function keep(state: ReportSending, entry: Kept): ReportSending {
  return { ...state, kept: new Map(state.kept).set(entry.report.assignmentId, entry) };
}

/** A random multiple of an interval that grows with the group; small groups do not wait. */
function delayMs({ timings, random }: ReportSending, memberCount: number): number {
  if (memberCount <= timings.smallGroup) return 0;
  return timings.delayPerMemberMs * memberCount * random();
}
