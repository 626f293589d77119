import { create } from '@bufbuild/protobuf';
import { AssignmentRefused } from '#libs/assignment/errors.js';
import type { Clock } from '#libs/clock/clock.js';
import {
  type AssignmentReport,
  type IngressKind,
  type IngressReport,
  NextLeaderRequestSchema,
  NodeStatus,
  type Notification,
  ReceivedReportSchema,
  SegmentAssignmentReportSchema,
  type SessionAnnouncement,
} from '#libs/contracts/index.js';
import type { SegmentMember } from '#libs/election/segment.js';
import type { SessionOutcome } from '#libs/multicast/session.js';
import { count } from '#libs/telemetry/metrics.js';
import { inSpanOf } from '#libs/telemetry/trace-context.js';
import type { ContainerPuller, Pulled } from '../adapters/container-puller.js';
import { SpoolFailed } from '../adapters/pull-request.js';
import {
  digestOf,
  fittingAnnouncements,
  inDatagrams,
  lateAnnouncement,
  treeAnnouncement,
} from './announcements.js';
import { type CollectionHost, collectUntilSettled } from './collection.js';
import type { ControlLink } from './control-link.js';
import { doubted } from './doubted-reports.js';
import { failedReport } from './executor.js';
import { sourcesOf } from './notified-sources.js';

export interface LeaderOptions {
  readonly node: string;
  readonly segment: string;
  readonly clock: Clock;
  readonly httpUrl: string;
  readonly runtime: CollectionHost['runtime'];
  readonly link: Pick<ControlLink, 'nextLeader'>;
  readonly puller: Pick<ContainerPuller, 'pull'>;
  /** How long a member may be gone before its report is given up. */
  readonly memberGraceMs: number;
  /** Sends a container to other members; `onAnnouncement` gets what Leader Alive repeats. */
  readonly multicast: (
    notification: Notification,
    path: string,
    members: readonly SegmentMember[],
    onAnnouncement: (announcement: SessionAnnouncement) => void,
  ) => Promise<SessionOutcome>;
  /** Whether a member can hear the data channel, as far as it was found out. */
  readonly hearsMulticast: (node: string) => boolean;
  /** Sends an announcement to the segment at once, not only with the next Leader Alive. */
  readonly announce: (announcement: SessionAnnouncement) => void;
  /** Brings another leader its notification. */
  readonly tell: (url: string, signed: Uint8Array, traceparent: string) => Promise<void>;
  /** Digest of the tree that a container on disk makes, as it was signed. */
  readonly signedTree: (path: string) => Promise<Uint8Array>;
  /** Executes a container on this host too and reports like any member. */
  readonly executeHere: (assignmentId: string, path: string) => void;
  readonly publish: (
    kind: IngressKind,
    report: IngressReport['report'],
    traceparent: string,
  ) => Promise<void>;
  readonly log: (line: string) => void;
}

/** One assignment in this leader's hands. */
interface Distribution {
  readonly notification: Notification;
  /** What Leader Alive repeats of it. */
  announcements: readonly SessionAnnouncement[];
  unicastBytes: number;
  outcome?: SessionOutcome;
  reports?: readonly AssignmentReport[];
}

const keptDistributions = 64;

/** The part of an agent that leads: pulls assignments, passes them on, gathers the reports. */
export class Leader {
  private readonly distributions = new Map<string, Distribution>();
  private turn = 0;

  constructor(private readonly options: LeaderOptions) {}

  /** Takes a notification; a repeated one repeats the report that went out already. */
  notified(notification: Notification): void {
    const known = this.distributions.get(notification.assignmentId);
    if (known) {
      if (known.reports) void this.publishReports(known, known.reports);
      return;
    }
    const distribution: Distribution = {
      notification,
      announcements: [],
      unicastBytes: 0,
    };
    this.distributions.set(notification.assignmentId, distribution);
    this.forgetOldest();
    const { assignmentId, runId, traceparent } = notification;
    const of = { 'espalier.assignment.id': assignmentId, 'espalier.correlation.id': runId };
    inSpanOf(traceparent, 'distribute assignment', of, () => this.distribute(distribution)).catch(
      (error: Error) => this.gaveUp(distribution, error),
    );
  }

  /** What Leader Alive repeats: assignments that not every member has reported. */
  announcements(): SessionAnnouncement[] {
    const all = [...this.distributions.values()].flatMap(({ announcements }) => announcements);
    return fittingAnnouncements(all.reverse(), this.turn++);
  }

  /** A member reported after its report was given up. */
  lateReport(report: AssignmentReport): void {
    const distribution = this.distributions.get(report.assignmentId);
    if (distribution?.reports) void this.publishReports(distribution, [report]);
  }

  servedToMember(digest: string, bytes: number): void {
    for (const distribution of this.distributions.values()) {
      if (digestOf(distribution.notification) === digest) distribution.unicastBytes += bytes;
    }
  }

  private async distribute(distribution: Distribution): Promise<void> {
    const { notification } = distribution;
    const { assignmentId, nodes } = notification;
    const { node, executeHere, puller } = this.options;
    const startedMs = this.options.clock.nowMs();
    const pulled = await puller.pull({
      digest: digestOf(notification),
      containerBytes: Number(notification.containerBytes),
      sourceUrls: notification.sourceUrls,
      stripes: sourcesOf(notification).stripes,
      assignmentId,
      asMember: false,
      traceparent: notification.traceparent,
    });
    count('received_bytes', 'Bytes of containers that were pulled', {}, pulled.bytes);
    const signedTree = pulled.signedTree ?? (await this.options.signedTree(pulled.path));
    // The segment does not wait for what the disk does with the report.
    const tellsReceived = this.publishReceived(
      notification,
      pulled,
      this.options.clock.nowMs() - startedMs,
    );
    void this.notifyNext(notification);
    if (nodes.includes(node)) executeHere(assignmentId, pulled.path);
    await Promise.all([tellsReceived, this.distributeToMembers(distribution, pulled.path)]);
    const told = await collectUntilSettled(assignmentId, nodes, this.options);
    const reports = doubted(told, signedTree);
    distribution.reports = reports;
    for (const { status } of reports) {
      count('assignment_reports', 'Outcomes of assignments', { status: NodeStatus[status] });
    }
    this.announceToMissed(distribution, reports);
    await this.publishReports(distribution, reports);
  }

  /** A full disk, or an expiry, keeps it from the whole segment: the run need not wait to know. */
  private gaveUp(distribution: Distribution, error: Error): void {
    const { node, log } = this.options;
    const { assignmentId, nodes } = distribution.notification;
    this.distributions.delete(assignmentId);
    log(`${assignmentId} is not distributed: ${error.message}`);
    const isExpired = error instanceof AssignmentRefused && error.reason === 'expired';
    if (!isExpired && !(error instanceof SpoolFailed)) return;
    const reason = `${error.name}: ${node} leads and cannot pass it on: ${error.message}`;
    const reports = nodes.map((name) => failedReport(name, assignmentId, reason));
    void this.publishReports(distribution, reports);
  }

  /** Whoever did not do it finds it in Leader Alive when it is back. */
  private announceToMissed(distribution: Distribution, reports: readonly AssignmentReport[]): void {
    const { node, httpUrl } = this.options;
    const missed = reports
      .filter(({ status }) => status === NodeStatus.MISSING || status === NodeStatus.FAILED)
      .map((report) => report.node)
      .filter((name) => name !== node);
    const late = lateAnnouncement(distribution.notification, missed, httpUrl);
    distribution.announcements = missed.length === 0 ? [] : inDatagrams(late);
  }

  /** Members that multicast does not reach are told to pull. */
  private async distributeToMembers(distribution: Distribution, path: string): Promise<void> {
    const { notification } = distribution;
    const { node, httpUrl, multicast, runtime, announce, hearsMulticast, log } = this.options;
    const others = notification.nodes.filter((name) => name !== node);
    if (others.length === 0) return;
    const deaf = others.filter((name) => !hearsMulticast(name));
    const toPull = (nodes: readonly string[]) =>
      inDatagrams(treeAnnouncement(notification, nodes, httpUrl, runtime.members));
    const forDeaf = deaf.length > 0 ? toPull(deaf) : [];
    distribution.announcements = forDeaf;
    for (const announcement of forDeaf) announce(announcement);
    const hearing = others.filter(hearsMulticast);
    const reachable = runtime.members.filter(({ register }) => hearing.includes(register.node));
    if (reachable.length > 0) {
      distribution.outcome = await multicast(notification, path, reachable, (announcement) => {
        distribution.announcements = [...forDeaf, { ...announcement, participants: hearing }];
      });
    }
    distribution.announcements = toPull(others);
    const unicast = distribution.outcome?.unicast ?? [];
    if (unicast.length === 0) return;
    log(`${notification.assignmentId} is pulled by ${unicast.join(', ')}: no multicast is heard`);
    for (const announcement of toPull(unicast)) announce(announcement);
  }

  /** Asks who is next until nobody is, and passes each notification on. */
  private async notifyNext(notification: Notification): Promise<void> {
    const { segment, node, link, log } = this.options;
    const { assignmentId } = notification;
    try {
      for (;;) {
        const request = create(NextLeaderRequestSchema, { assignmentId, segment, leader: node });
        const { next, signedNext, httpUrl } = await link.nextLeader(request);
        if (!next) return;
        await this.options.tell(`${httpUrl}/notification`, signedNext, notification.traceparent);
      }
    } catch (error) {
      log(`the next leader of ${assignmentId} is left to the planner: ${(error as Error).message}`);
    }
  }

  private async publishReceived(
    notification: Notification,
    { bytes, retries, links }: Pulled,
    durationMs: number,
  ): Promise<void> {
    const { assignmentId, source, traceparent } = notification;
    const { names } = sourcesOf(notification);
    const value = create(ReceivedReportSchema, {
      assignmentId,
      segment: this.options.segment,
      bytes: BigInt(bytes),
      durationMs: BigInt(Math.round(durationMs)),
      source,
      retries,
      links: links.map((link) => ({
        source: names.get(link.url) ?? '',
        bytes: BigInt(link.bytes),
        durationMs: BigInt(Math.round(link.durationMs)),
      })),
    });
    await this.options.publish('received', { case: 'received', value }, traceparent);
  }

  private async publishReports(
    { notification, outcome, unicastBytes }: Distribution,
    nodes: readonly AssignmentReport[],
  ): Promise<void> {
    const value = create(SegmentAssignmentReportSchema, {
      runId: notification.runId,
      assignmentId: notification.assignmentId,
      segment: this.options.segment,
      nodes: [...nodes],
      multicastBytes: BigInt(outcome?.multicastBytes ?? 0),
      repairBytes: BigInt(outcome?.repairBytes ?? 0),
      unicastBytes: BigInt(unicastBytes),
    });
    const { traceparent } = notification;
    await this.options.publish('assignment', { case: 'assignment', value }, traceparent);
  }

  private forgetOldest(): void {
    for (const id of this.distributions.keys()) {
      if (this.distributions.size <= keptDistributions) return;
      this.distributions.delete(id);
    }
  }
}
