import { equals } from '@bufbuild/protobuf';
import type { Random } from '#libs/clock/clock.js';
import {
  type AssignmentReport,
  AssignmentReportSchema,
  type ReportRequest,
} from '#libs/contracts/index.js';
import {
  type Collection,
  type CollectionEffect,
  type CollectionInput,
  collectionWakeAtMs,
  reportsOf,
  startCollection,
  stepCollection,
} from './report-collection.js';
import {
  type ReportSending,
  type ReportSendingInput,
  reportSendingWakeAtMs,
  startReportSending,
  stepReportSending,
} from './report-sending.js';
import type { CollectOptions, SegmentListener } from './segment.js';
import type { ReportTimings } from './timings.js';

interface Running {
  collection: Collection;
  readonly resolve: (reports: AssignmentReport[]) => void;
}

/** What arrived at this leader for one assignment. */
interface Received {
  readonly reports: Map<string, AssignmentReport>;
  collected: boolean;
  touchedAtMs: number;
}

/** How the reports of a segment leave this node. */
export interface ReportWays {
  sendToLeader(report: AssignmentReport): void;
  requestOne(node: string, request: ReportRequest): void;
  requestAll(request: ReportRequest): void;
}

/** Both sides of reporting at one node: the collections of a leader, the reports of a member. */
export class SegmentReports {
  private sending: ReportSending;
  private readonly running = new Set<Running>();
  private readonly received = new Map<string, Received>();

  constructor(
    node: string,
    private readonly timings: ReportTimings,
    random: Random,
    private readonly ways: ReportWays,
    private readonly listener: SegmentListener,
  ) {
    this.sending = startReportSending(node, timings, random);
  }

  wakeAtMs(): number {
    const deadlines = [...this.running].map(({ collection }) => collectionWakeAtMs(collection));
    return Math.min(reportSendingWakeAtMs(this.sending), ...deadlines);
  }

  tick(nowMs: number): void {
    this.send({ type: 'tick' }, nowMs);
    for (const one of this.running) this.collect(one, { type: 'tick' }, nowMs);
  }

  start(
    assignmentId: string,
    participants: readonly string[],
    options: CollectOptions,
    nowMs: number,
  ): Promise<AssignmentReport[]> {
    const timings = {
      requestIntervalMs: options.requestIntervalMs ?? this.timings.requestIntervalMs,
      requestLimit: options.requestLimit ?? this.timings.requestLimit,
      broadcastAboveShare: this.timings.broadcastAboveShare,
    };
    const firstAtMs = nowMs + (options.firstRequestAfterMs ?? timings.requestIntervalMs);
    const collection = startCollection(assignmentId, participants, timings, firstAtMs);
    return new Promise((resolve) => {
      const one: Running = { collection, resolve };
      this.running.add(one);
      const early = this.received.get(assignmentId)?.reports.values() ?? [];
      for (const report of early) this.collect(one, { type: 'report', report }, nowMs);
      this.collect(one, { type: 'tick' }, nowMs);
    });
  }

  /** A report arrived at this leader, its own included. */
  receive(report: AssignmentReport, nowMs: number): void {
    this.listener.onReport?.(report);
    const received = this.receivedOf(report.assignmentId, nowMs);
    const before = received.reports.get(report.node);
    received.reports.set(report.node, report);
    const waiting = [...this.running].filter(
      ({ collection }) => collection.assignmentId === report.assignmentId,
    );
    for (const one of waiting) this.collect(one, { type: 'report', report }, nowMs);
    const isRepeated = before !== undefined && equals(AssignmentReportSchema, before, report);
    if (waiting.length === 0 && received.collected && !isRepeated) {
      this.listener.onLateReport?.(report);
    }
  }

  /** Sends, keeps or forgets reports of this node. */
  send(input: ReportSendingInput, nowMs: number): void {
    const [next, effects] = stepReportSending(this.sending, input, nowMs);
    this.sending = next;
    for (const effect of effects) this.ways.sendToLeader(effect.report);
  }

  /** This node no longer leads: nobody reports to it any more. */
  endAll(nowMs: number): void {
    for (const one of this.running) this.finish(one, reportsOf(one.collection), nowMs);
  }

  private collect(one: Running, input: CollectionInput, nowMs: number): void {
    const [next, effects] = stepCollection(one.collection, input, nowMs);
    one.collection = next;
    for (const effect of effects) this.perform(one, effect, nowMs);
  }

  private perform(one: Running, effect: CollectionEffect, nowMs: number): void {
    if (effect.type === 'request-one') this.ways.requestOne(effect.node, effect.request);
    else if (effect.type === 'request-all') this.ways.requestAll(effect.request);
    else this.finish(one, [...effect.reports], nowMs);
  }

  private finish(one: Running, reports: AssignmentReport[], nowMs: number): void {
    this.running.delete(one);
    this.receivedOf(one.collection.assignmentId, nowMs).collected = true;
    one.resolve(reports);
  }

  private receivedOf(assignmentId: string, nowMs: number): Received {
    for (const [old, { touchedAtMs }] of this.received) {
      if (nowMs - touchedAtMs > this.timings.keepMs) this.received.delete(old);
    }
    const known = this.received.get(assignmentId);
    const received = known ?? { reports: new Map(), collected: false, touchedAtMs: nowMs };
    received.touchedAtMs = nowMs;
    this.received.set(assignmentId, received);
    return received;
  }
}
