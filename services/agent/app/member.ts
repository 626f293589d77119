import type { Clock } from '#libs/clock/clock.js';
import type { AssignmentReport, SessionAnnouncement } from '#libs/contracts/index.js';
import type { Decision, StopReason } from '#libs/multicast/session.js';
import { currentTraceparent, inSpanOf } from '#libs/telemetry/trace-context.js';
import type { ContainerPuller } from '../adapters/container-puller.js';
import type { ContainerSpool } from '../adapters/container-spool.js';
import { digestOf, isUnicast, unicastSources } from './announcements.js';
import { type AssignmentExecutor, failedReport } from './executor.js';

export interface MemberOptions {
  readonly node: string;
  readonly executor: AssignmentExecutor;
  readonly spool: ContainerSpool;
  readonly puller: ContainerPuller;
  readonly clock: Clock;
  /** To the leader, whoever it is when it arrives. */
  readonly report: (report: AssignmentReport) => void;
  /** Called when the others have made another version of a site live and this server has not. */
  readonly onLate: (site: string) => void;
  readonly log: (line: string) => void;
}

/** The part of an agent that serves content: receives assignments, executes them, reports. */
export class Member {
  private readonly busy = new Set<string>();
  private readonly held = new Set<string>();
  private readonly failedAtMs = new Map<string, number>();

  constructor(private readonly options: MemberOptions) {}

  /** Whether a session that the leader announced is wanted. */
  wants(announcement: SessionAnnouncement): Decision {
    const { node, executor } = this.options;
    if (!announcement.participants.includes(node)) return 'ignore';
    const { assignmentId, lateSite } = announcement;
    if (lateSite && !executor.reportOf(assignmentId)) this.options.onLate(lateSite);
    if (isUnicast(announcement)) {
      void this.pull(announcement);
      return 'ignore';
    }
    if (executor.reportOf(announcement.assignmentId)) return 'have';
    return this.held.has(digestOf(announcement)) ? 'have' : 'need';
  }

  /** A whole, verified container is in the spool. */
  async received(announcement: SessionAnnouncement): Promise<void> {
    const digest = digestOf(announcement);
    const { containerBytes } = announcement;
    const path = await this.options.spool.complete(digest, Number(containerBytes));
    this.held.add(digest);
    const { assignmentId, traceparent } = announcement;
    void this.executeAndReport(assignmentId, path, false, traceparent);
  }

  /** A session ended without the whole container. */
  async stopped(announcement: SessionAnnouncement, reason: StopReason): Promise<void> {
    if (reason === 'closed') return;
    this.options.log(`${announcement.assignmentId} is pulled from the leader: ${reason}`);
    void this.pull(announcement);
  }

  /** Executes a container that is on disk and reports, also when it was executed before. */
  async executeAndReport(
    assignmentId: string,
    path: string,
    byUnicast: boolean,
    traceparent = currentTraceparent(),
  ): Promise<void> {
    const { node, executor } = this.options;
    const of = { 'espalier.assignment.id': assignmentId, 'espalier.node': node };
    const report = await inSpanOf(traceparent, 'execute assignment', of, () =>
      executor.execute(assignmentId, path),
    );
    if (report.onReceipt)
      this.options.log(`${assignmentId} did not wait: the clock is off too far`);
    if (report.error) this.failed(assignmentId, report.error);
    else this.failedAtMs.delete(assignmentId);
    this.options.report({ ...report, byUnicast });
  }

  /** Pulls a container as announced; at most one pull of an assignment is under way. */
  private async pull(announcement: SessionAnnouncement): Promise<void> {
    const { assignmentId, containerBytes, traceparent } = announcement;
    const { node, executor, puller } = this.options;
    if (this.busy.has(assignmentId) || executor.reportOf(assignmentId)) return;
    if (this.failedLately(assignmentId)) return;
    this.busy.add(assignmentId);
    try {
      const { path, bytes } = await puller.pull({
        digest: digestOf(announcement),
        containerBytes: Number(containerBytes),
        ...unicastSources(announcement, node),
        asMember: true,
      });
      await this.executeAndReport(assignmentId, path, bytes > 0, traceparent);
    } catch (error) {
      const reason = `${(error as Error).name}: ${(error as Error).message}`;
      this.failed(assignmentId, reason);
      this.options.report(failedReport(node, assignmentId, reason));
    } finally {
      this.busy.delete(assignmentId);
    }
  }

  private failed(assignmentId: string, reason: string): void {
    this.options.log(`${assignmentId} failed: ${reason}`);
    this.failedAtMs.set(assignmentId, this.options.clock.nowMs());
  }

  private failedLately(assignmentId: string): boolean {
    const failedAtMs = this.failedAtMs.get(assignmentId);
    return failedAtMs !== undefined && this.options.clock.nowMs() < failedAtMs + retryAfterMs;
  }
}

/** A leader announces what failed here again and again; it is not tried again sooner. */
const retryAfterMs = 60_000;
