import type { Clock } from '#libs/clock/clock.js';
import {
  JobType,
  NodeStatus,
  type RecordedEvent,
  type SignedReport,
} from '#libs/contracts/index.js';
import { execute } from '#libs/event-log/aggregate.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { LogView } from '#libs/event-log/log-view.js';
import { openReport } from '#libs/keys/signed-report.js';
import { runInSegment } from '../domain/run-in-segment.js';

/** What a report is checked against. */
interface Known {
  readonly nodes: ReadonlyMap<string, { publicKey: Uint8Array; segment: string }>;
  readonly assignments: ReadonlyMap<string, { runId: string; type: JobType }>;
}

/** Thrown for a report that its sender had no right to make; it is dropped and logged. */
export class ReportRefused extends Error {
  override readonly name = 'ReportRefused';
}

/** Validates leaders' reports of assignments and records them. */
export class AssignmentReports {
  private constructor(
    private readonly log: EventLog,
    private readonly clock: Clock,
    private readonly known: LogView<Known>,
  ) {}

  static async start(log: EventLog, clock: Clock): Promise<AssignmentReports> {
    const known = await LogView.start<Known>(log, {
      aggregateTypes: ['node', 'assignment'],
      initial: { nodes: new Map(), assignments: new Map() },
      evolve,
    });
    return new AssignmentReports(log, clock, known);
  }

  /** @throws ReportRefused, ForgedReport: for good; anything else: try again later */
  async receive(signed: SignedReport): Promise<void> {
    const sender = this.known.state.nodes.get(signed.node);
    if (!sender) throw new ReportRefused(`${signed.node} is not enrolled`);
    const ingress = openReport(signed, sender.publicKey);
    if (ingress.report.case !== 'assignment') {
      throw new ReportRefused(`${signed.node} sent no assignment report`);
    }
    const report = ingress.report.value;
    const assignment = this.known.state.assignments.get(report.assignmentId);
    if (!assignment || assignment.runId !== report.runId) {
      throw new ReportRefused(`${signed.node} reports the unknown ${report.assignmentId}`);
    }
    if (sender.segment !== report.segment) {
      throw new ReportRefused(`${signed.node} reports for ${report.segment}, not its own segment`);
    }
    // Who waits for other parts of a job reports again with the one that completes it.
    const nodes = report.nodes.filter(({ status }) => status !== NodeStatus.RECEIVED);
    if (nodes.length === 0 && report.nodes.length > 0) return;
    const type = assignment.type === JobType.SWITCH ? 'report-switched' : 'report-prepared';
    await execute(
      this.log,
      runInSegment,
      `${report.runId}/${report.segment}`,
      { type, report: { ...report, nodes } },
      {
        actor: `agent:${signed.node}`,
        correlationId: report.runId,
        causationId: ingress.reportId,
        ...(ingress.traceparent ? { traceparent: ingress.traceparent } : {}),
      },
      this.clock.nowMs(),
    );
  }

  async close(): Promise<void> {
    await this.known.close();
  }
}

function evolve(known: Known, event: RecordedEvent): Known {
  if (event.type === 'NodeEnrolled') {
    const { node, publicKey, segment } = event.data;
    return { ...known, nodes: new Map(known.nodes).set(node, { publicKey, segment }) };
  }
  if (event.type === 'NodeRemoved') {
    const nodes = new Map(known.nodes);
    nodes.delete(event.data.node);
    return { ...known, nodes };
  }
  if (event.type === 'AssignmentBuilt') {
    const { assignmentId, runId, type } = event.data;
    return { ...known, assignments: new Map(known.assignments).set(assignmentId, { runId, type }) };
  }
  return known;
}
