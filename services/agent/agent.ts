import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { systemClock, systemRandom } from '#libs/clock/adapters/system-clock.js';
import {
  ControlMessageSchema,
  type EnrolReply,
  type IngressKind,
  type IngressReport,
  type LiveVersion,
  type Notification,
  type SessionAnnouncement,
} from '#libs/contracts/index.js';
import type { SegmentMember } from '#libs/election/segment.js';
import { SegmentRuntime } from '#libs/election/segment-runtime.js';
import { fastTimings, standardTimings } from '#libs/election/timings.js';
import { agentKeysIn } from '#libs/keys/adapters/file-keys.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';
import type { SessionOutcome } from '#libs/multicast/session.js';
import { capacityMeter } from './adapters/capacity.js';
import { ClockOffset } from './adapters/clock-offset.js';
import { ContainerPuller } from './adapters/container-puller.js';
import { ContainerSpool } from './adapters/container-spool.js';
import { ControlLink } from './adapters/control-link.js';
import { askAgain, controlPortOf, enrolAgent } from './adapters/enrolment.js';
import { ExecutorThread } from './adapters/executor-thread.js';
import { type AgentHttp, startAgentHttp } from './adapters/http-server.js';
import { publishReport } from './adapters/publish-report.js';
import { ReportSpool } from './adapters/report-spool.js';
import { SegmentKeys } from './adapters/segment-keys.js';
import { SegmentTransport } from './adapters/segment-transport.js';
import { Leader } from './app/leader.js';
import { Member } from './app/member.js';
import { Presence } from './app/presence.js';
import { SegmentPlace } from './app/segment-place.js';
import { SegmentStatistics } from './app/segment-statistics.js';
import { serviceHealth } from './app/service-health.js';
import type { AgentConfig } from './config.js';

type Log = (line: string) => void;

/** An agent at work; `close` says goodbye to its segment. */
export interface RunningAgent {
  readonly httpUrl: string;
  close(): Promise<void>;
}

/** Enrols, joins the segment, and serves as member and, when elected, as leader. */
export async function startAgent(config: AgentConfig, log: Log): Promise<RunningAgent> {
  const key = await agentKeysIn(join(config.root, 'keys')).agentKey();
  const controlPort = config.controlPort ?? controlPortOf(key);
  const enrolment = await enrolAgent(config, key, controlPort, systemClock, log);
  const agent = new Agent(config, key, enrolment, log);
  await agent.start();
  return agent;
}

/** The composition of one agent: each part is plain, this ties them together. */
class Agent implements RunningAgent {
  private readonly trust: TrustRoot;
  private readonly timings;
  private readonly segmentKeys: SegmentKeys;
  private readonly statistics: SegmentStatistics;
  private readonly clockOffset: ClockOffset;
  private isClosing = false;
  private transport!: SegmentTransport;
  private place!: SegmentPlace;
  private http!: AgentHttp;
  private link!: ControlLink;
  private spool!: ContainerSpool;
  private executor!: ExecutorThread;
  private runtime!: SegmentRuntime;
  private member!: Member;
  private leader!: Leader;
  private presence!: Presence;
  private liveAtStart: readonly LiveVersion[] = [];
  private puller!: ContainerPuller;

  constructor(
    private readonly config: AgentConfig,
    private readonly key: SigningKey,
    private readonly enrolment: EnrolReply,
    private readonly log: Log,
  ) {
    this.clockOffset = new ClockOffset(systemClock, log);
    this.trust = { keys: enrolment.signingKeys, threshold: enrolment.signingThreshold };
    this.timings = config.timings === 'fast' ? fastTimings : standardTimings;
    this.statistics = new SegmentStatistics(config.segment);
    this.segmentKeys = new SegmentKeys({
      enrolment,
      ask: () => askAgain(config, key, this.transport.control.unicastPort),
      clock: systemClock,
      isLeader: () => this.runtime.isLeader,
      unknownEpochs: () => this.transport.control.dropped['unknown-epoch'],
      onWatch: (nowMs) => {
        if (this.runtime.isLeader) this.place.watch(nowMs);
      },
      log,
    });
  }

  get httpUrl(): string {
    return this.http.url;
  }

  async start(): Promise<void> {
    await this.openDisk();
    await this.openNetwork();
    this.joinSegment();
  }

  async close(): Promise<void> {
    this.isClosing = true;
    this.segmentKeys.close();
    this.clockOffset.close();
    this.runtime.close();
    await this.link.close();
    await this.http.close();
    await this.transport.close();
    await this.executor.close();
  }

  private async openDisk(): Promise<void> {
    const { root, node, spoolBudgetBytes } = this.config;
    const spoolPath = join(root, 'spool');
    const containers = join(spoolPath, 'assignments');
    this.spool = await ContainerSpool.open(containers, spoolBudgetBytes, systemClock);
    const reports = await ReportSpool.open(join(spoolPath, 'reports'));
    this.executor = await ExecutorThread.start({
      root,
      node,
      trust: this.trust,
      clock: systemClock,
      controlClock: () => this.clockOffset.current,
      agreementKey: await agentKeysIn(join(root, 'keys')).agreementKey(),
      onLiveChanged: () => this.presence.changed(),
    });
    this.liveAtStart = this.executor.liveVersions();
    this.link = new ControlLink({
      node,
      enrolment: this.enrolment,
      spool: reports,
      clock: systemClock,
      onNotification: (notification) => this.leader.notified(notification),
      segmentStatus: () =>
        this.statistics.status(this.runtime.leader, this.runtime.members, this.transport.facts()),
      log: this.log,
    });
  }

  private async openNetwork(): Promise<void> {
    await this.openSegment();
    this.http = await startAgentHttp({
      host: this.config.httpHost,
      port: this.config.httpPort,
      spool: this.spool,
      trust: this.trust,
      segment: this.config.segment,
      onNotification: (notification) => this.leader.notified(notification),
      time: () => this.clockOffset.now(),
      health: () =>
        serviceHealth(this.enrolment.expected, this.executor.liveVersions(), this.liveAtStart),
      onServedToMember: (digest, bytes) => {
        this.statistics.servedByUnicast(bytes);
        this.leader.servedToMember(digest, bytes);
      },
    });
    this.puller = new ContainerPuller(this.spool, this.trust, systemClock);
    this.presence = new Presence({
      config: this.config,
      httpUrl: this.http.url,
      capacity: capacityMeter(this.config.root, systemClock),
      executor: this.executor,
      onChanged: () => this.runtime.describeChanged(),
    });
  }

  private async openSegment(): Promise<void> {
    const { config, enrolment, key } = this;
    const controlPort = config.controlPort ?? controlPortOf(key);
    const segmentKey = this.segmentKeys.ring;
    this.transport = await SegmentTransport.open({
      config,
      enrolment,
      key,
      segmentKey,
      controlPort,
    });
    const { control } = this.transport;
    // The port is taken by somebody else: peers must know the other one.
    if (control.unicastPort !== controlPort) await this.segmentKeys.refresh();
    const home = { address: enrolment.controlAddress, port: enrolment.controlPort };
    this.place = new SegmentPlace(control, home, this.log, systemClock.nowMs());
    control.onMessage(({ message: { message } }) => {
      if (message.case === 'missingFrames') this.statistics.missing(message.value);
    });
  }

  private joinSegment(): void {
    this.runtime = this.makeRuntime();
    this.member = new Member({
      node: this.config.node,
      executor: this.executor,
      spool: this.spool,
      puller: this.puller,
      clock: systemClock,
      report: (report) => this.runtime.report(report),
      log: this.log,
    });
    this.leader = this.makeLeader();
    this.transport.receive(this.config.node, this.member, this.spool, this.trust);
    this.runtime.start();
    this.segmentKeys.start();
  }

  private makeRuntime(): SegmentRuntime {
    const { segment, node } = this.config;
    return new SegmentRuntime({
      port: this.transport.control,
      clock: systemClock,
      random: systemRandom,
      node,
      timings: this.timings,
      priority: () => this.presence.priority(),
      describe: () => this.presence.describe(),
      announcements: () => this.leader.announcements(),
      newestKeyEpoch: () => this.segmentKeys.ring.newestEpoch(),
      movedChannel: () => this.place.moved(),
      onLeaderNews: ({ newestKeyEpoch, channel }) => {
        this.segmentKeys.leaderHas(newestKeyEpoch);
        this.place.follow(channel);
      },
      onElectionState: (from, _to, reason) => this.statistics.electionState(from, reason),
      onIdentityConflict: (name) =>
        this.log(`two living agents call themselves ${name} and have its key: was a host cloned?`),
      onLeaderChanged: (leader, isMe) => {
        this.statistics.leaderChanged(leader?.node, systemClock.nowMs());
        this.log(leader ? `${leader.node} leads ${segment} (term ${leader.term})` : 'no leader');
        const timeUrl = isMe ? `${this.config.controlUrl}/api/v1/time` : `${leader?.httpUrl}/time`;
        if (leader) this.clockOffset.follow(timeUrl);
        if (isMe) void this.link.connect().catch((error) => this.log(String(error)));
        else void this.link.close();
      },
      onMembersChanged: (members, reason) => {
        const report = this.presence.segmentReport(this.runtime.leader, members, reason);
        if (report) void this.publish('segment', report, '');
      },
      onLateReport: (report) => this.leader.lateReport(report),
    });
  }

  private makeLeader(): Leader {
    const { segment, node } = this.config;
    return new Leader({
      node,
      segment,
      clock: systemClock,
      httpUrl: this.http.url,
      runtime: this.runtime,
      link: this.link,
      puller: this.puller,
      memberGraceMs: this.timings.registration.expiryMs,
      multicast: (notification, path, members, onAnnouncement) =>
        this.sendToMembers(notification, path, members, onAnnouncement),
      hearsMulticast: (name) => this.transport.hearsMulticast(name),
      announce: (value) => {
        const message = { case: 'sessionAnnouncement' as const, value };
        this.transport.control.broadcast(create(ControlMessageSchema, { message }));
      },
      executeHere: (assignmentId, path) =>
        void this.member.executeAndReport(assignmentId, path, false),
      publish: (kind, report, traceparent) => this.publish(kind, report, traceparent),
      log: this.log,
    });
  }

  private async sendToMembers(
    notification: Notification,
    path: string,
    members: readonly SegmentMember[],
    onAnnouncement: (announcement: SessionAnnouncement) => void,
  ): Promise<SessionOutcome> {
    const { transport, statistics, http } = this;
    const outcome = await transport.send(notification, path, members, http.url, (announcement) => {
      statistics.announced(announcement);
      onAnnouncement(announcement);
    });
    statistics.sessionEnded(notification.containerDigest, outcome);
    return outcome;
  }

  /** An agent that ends cuts its collections short: what they give is no report. */
  private async publish(kind: IngressKind, report: IngressReport['report'], traceparent: string) {
    if (this.isClosing) return;
    const { node } = this.config;
    await publishReport(this.link, { node, key: this.key }, { kind, report, traceparent });
  }
}
