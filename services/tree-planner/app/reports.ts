import type { Clock } from '#libs/clock/clock.js';
import type {
  EventContext,
  IngressReport,
  NetworkSegmentReport,
  Register,
  SignedReport,
} from '#libs/contracts/index.js';
import { execute, load } from '#libs/event-log/aggregate.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { openReport } from '#libs/keys/signed-report.js';
import { type Logger, reasonOf } from '#libs/telemetry/logger.js';
import { NotInPlan, NotPlanned } from '../domain/errors.js';
import { nodeAggregate } from '../domain/node.js';
import type { Enrolment } from '../domain/planner-view.js';
import { isOutdated, type SegmentCommand, segmentAggregate } from '../domain/segment.js';
import type { Distributions } from './distributions.js';
import type { HandOut } from './hand-out.js';
import type { View } from './ports.js';

/** A whole copy, and a little for what broke off. */
const mostCopies = 1.05;

/** A report whose signature fits the node that it names. */
interface OpenedReport {
  readonly node: string;
  /** The segment the node is enrolled in. */
  readonly segment: string;
  readonly content: IngressReport;
}

/**
 * Turns leaders' reports into events. What is forged, of an unknown node or of another segment than
 * the node's own is logged and dropped: delivering it again would not make it better.
 */
export class Reports {
  constructor(
    private readonly log: EventLog,
    private readonly view: View,
    private readonly distributions: Distributions,
    private readonly handOut: HandOut,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** A leader tells who is in its segment. */
  async onSegment(signed: SignedReport): Promise<void> {
    const opened = await this.open(signed);
    if (opened?.content.report.case !== 'networkSegment') return;
    const report = opened.content.report.value;
    if (report.segment !== opened.segment || report.leader !== opened.node) {
      this.drop(signed, `it speaks for segment ${report.segment} led by ${report.leader}`);
      return;
    }
    const reportedAtMs = Number(opened.content.reportedAtMs);
    if (isOutdated({ report, reportedAtMs }, this.view.state.segments.get(report.segment))) {
      this.drop(signed, `term ${report.term} is over`);
      return;
    }
    const command = { type: 'report', report: await this.withoutStrangers(report) } as const;
    await this.changeSegment(report.segment, command, opened);
    this.handOut.appeared(report.segment, report.leader);
  }

  /** A leader has probed its links. */
  async onLinks(signed: SignedReport): Promise<void> {
    const opened = await this.open(signed);
    if (opened?.content.report.case !== 'links') return;
    const report = opened.content.report.value;
    const { leader } = this.view.state.segments.get(report.segment) ?? {};
    if (report.segment !== opened.segment || leader !== opened.node) {
      this.drop(signed, `it does not lead segment ${report.segment}`);
      return;
    }
    await this.changeSegment(report.segment, { type: 'measure', report }, opened);
  }

  /** A leader has an assignment completely. */
  async onReceived(signed: SignedReport): Promise<void> {
    const opened = await this.open(signed);
    if (opened?.content.report.case !== 'received') return;
    const { assignmentId, segment, bytes, durationMs, source, retries } =
      opened.content.report.value;
    const { links } = opened.content.report.value;
    if (segment !== opened.segment) {
      this.drop(signed, `it speaks for segment ${segment}`);
      return;
    }
    const leader = opened.node;
    const received = { assignmentId, segment, leader, bytes, durationMs, source, retries, links };
    const runId = this.view.state.deliveries.get(assignmentId)?.assignment.runId;
    const context = contextOfReport(opened, runId ?? assignmentId);
    try {
      const isNew = await this.distributions.receive(assignmentId, received, context);
      if (!isNew) return;
      this.warnOfExcess(assignmentId, segment, Number(bytes));
      await this.handOut.progressed(assignmentId, source);
    } catch (error) {
      if (!(error instanceof NotPlanned || error instanceof NotInPlan)) throw error;
      this.drop(signed, error.message);
    }
  }

  /** More than one copy came over a link: a source sent what it should not, or broke off often. */
  private warnOfExcess(assignmentId: string, segment: string, bytes: number): void {
    const { containerBytes } = this.view.state.deliveries.get(assignmentId)?.assignment ?? {};
    const copies = bytes / Number(containerBytes ?? Number.POSITIVE_INFINITY);
    if (copies <= mostCopies) return;
    this.logger.warn('a link carried more than one copy', { assignmentId, segment, copies });
  }

  private async changeSegment(
    segment: string,
    command: SegmentCommand,
    opened: OpenedReport,
  ): Promise<void> {
    const context = contextOfReport(opened, opened.content.reportId);
    const nowMs = this.clock.nowMs();
    const events = await execute(this.log, segmentAggregate, segment, command, context, nowMs);
    await this.view.reaches(events.at(-1)?.sequence ?? 0);
  }

  private async open(signed: SignedReport): Promise<OpenedReport | undefined> {
    const { node } = signed;
    const enrolment = await this.enrolmentOf(node);
    if (!enrolment) return this.drop(signed, 'the node is not enrolled');
    try {
      const content = openReport(signed, enrolment.publicKey);
      return { node, segment: enrolment.segment, content };
    } catch (error) {
      return this.drop(signed, reasonOf(error));
    }
  }

  /** Members that are not enrolled in the segment would receive content under a false name. */
  private async withoutStrangers(report: NetworkSegmentReport): Promise<NetworkSegmentReport> {
    const members: Register[] = [];
    for (const member of report.members) {
      const enrolment = await this.enrolmentOf(member.node);
      if (enrolment?.segment === report.segment) members.push(member);
      else this.logger.warn('a member is not enrolled in its segment', { node: member.node });
    }
    return { ...report, members };
  }

  /** The view may be a moment behind a node that has just enrolled; the log is not. */
  private async enrolmentOf(node: string): Promise<Enrolment | undefined> {
    const known = this.view.state.nodes.get(node);
    if (known) return known;
    const { state } = await load(this.log, nodeAggregate, node);
    return state.situation === 'enrolled' ? state.enrolment : undefined;
  }

  private drop(signed: SignedReport, reason: string): undefined {
    this.logger.warn('a report was dropped', { node: signed.node, reason });
    return undefined;
  }
}

/** One report is one cause, however often it is delivered. */
function contextOfReport({ node, content }: OpenedReport, correlationId: string): EventContext {
  const { reportId, traceparent } = content;
  return {
    actor: `agent:${node}`,
    correlationId,
    causationId: `${node}/${reportId}`,
    ...(traceparent ? { traceparent } : {}),
  };
}
