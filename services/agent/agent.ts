import { join } from 'node:path';
import { posixType, shellType } from '#libs/assignment/command-sets.js';
import { steadyClock, systemClock, systemRandom } from '#libs/clock/adapters/system-clock.js';
import type { EnrolReply, Notification, SessionAnnouncement } from '#libs/contracts/index.js';
import type { SegmentMember } from '#libs/election/segment.js';
import { SegmentRuntime } from '#libs/election/segment-runtime.js';
import { readHostPolicy } from '#libs/interpreter/adapters/host-policy-file.js';
import { hostPrograms } from '#libs/interpreter/adapters/host-programs.js';
import type { HostPolicy } from '#libs/interpreter/host-policy.js';
import { agentKeysIn } from '#libs/keys/adapters/file-keys.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';
import type { SessionOutcome } from '#libs/multicast/session.js';
import { linkGate } from '#libs/tree/adapters/host-link.js';
import { capacityMeter, networkMbitPerS } from './adapters/capacity.js';
import { ClockOffset } from './adapters/clock-offset.js';
import { ContainerPuller } from './adapters/container-puller.js';
import { ContainerSpool } from './adapters/container-spool.js';
import { ControlDesk } from './adapters/control-desk.js';
import { controlPortOf } from './adapters/enrolment.js';
import { ExecutorThread } from './adapters/executor-thread.js';
import { FleetAccess } from './adapters/fleet-access.js';
import { type AgentHttp, startAgentHttp } from './adapters/http-server.js';
import { SegmentKeys } from './adapters/segment-keys.js';
import { SegmentTransport } from './adapters/segment-transport.js';
import { signedTreeOf } from './adapters/signed-tree.js';
import { tellLeader } from './adapters/tell-leader.js';
import { messageOf } from './app/announcements.js';
import { Leader } from './app/leader.js';
import { Member } from './app/member.js';
import { Presence } from './app/presence.js';
import { SegmentPlace } from './app/segment-place.js';
import { SegmentStatistics } from './app/segment-statistics.js';
import { Standing } from './app/standing.js';
import type { AgentConfig } from './config.js';

type Log = (line: string) => void;

/** An agent at work; `close` says goodbye to its segment. */
export interface RunningAgent {
  readonly httpUrl: string;
  close(): Promise<void>;
}

/** Joins the segment, and serves as member and, when elected, as leader. */
export function startAgent(config: AgentConfig, access: FleetAccess, log: Log) {
  return new Agent(config, access, log).start();
}

/** The composition of one agent: each part is plain, this ties them together. */
class Agent implements RunningAgent {
  private readonly enrolment: EnrolReply;
  private readonly trust: TrustRoot;
  private readonly hostPolicy: HostPolicy;
  private readonly segmentKeys: SegmentKeys;
  private readonly statistics: SegmentStatistics;
  private readonly clockOffset: ClockOffset;
  private transport!: SegmentTransport;
  private place!: SegmentPlace;
  private http!: AgentHttp;
  private desk!: ControlDesk;
  private spool!: ContainerSpool;
  private executor!: ExecutorThread;
  private runtime!: SegmentRuntime;
  private member!: Member;
  private leader!: Leader;
  private presence!: Presence;
  private standing!: Standing;
  private puller!: ContainerPuller;
  private readonly askAgain = () => this.access.renew(this.transport.control.unicastPort);

  constructor(
    private readonly config: AgentConfig,
    private readonly access: FleetAccess,
    private readonly log: Log,
  ) {
    this.enrolment = access.enrolment;
    this.clockOffset = new ClockOffset(systemClock, access.http, log);
    access.signBy(() => this.clockOffset.now().nowMs);
    this.trust = access.trust;
    this.hostPolicy = readHostPolicy(join(config.root, 'host.json'));
    this.statistics = new SegmentStatistics(config.segment);
    this.segmentKeys = new SegmentKeys({
      enrolment: access.enrolment,
      ask: this.askAgain,
      clock: systemClock,
      isLeader: () => this.runtime.isLeader,
      unknownEpochs: () => this.transport.control.dropped['unknown-epoch'],
      onWatch: (nowMs) => {
        if (!this.runtime.isLeader) return;
        this.place.watch(nowMs);
        if (this.presence.isReportDue()) this.reportSegment('timer');
      },
      onRemoved: (why) => access.wasRemoved(why),
      log,
    });
  }

  get httpUrl(): string {
    return this.http.url;
  }

  async start(): Promise<this> {
    await this.openDisk();
    await this.openNetwork();
    this.joinSegment();
    return this;
  }

  async close(): Promise<void> {
    this.segmentKeys.close();
    this.standing.close();
    this.presence.close();
    this.clockOffset.close();
    this.runtime.close();
    await this.desk.close();
    await this.http.close();
    await this.transport.close();
    await this.executor.close();
    this.access.close();
  }

  private async openDisk(): Promise<void> {
    const { root, node, spoolBudgetBytes } = this.config;
    const containers = join(root, 'spool', 'assignments');
    this.spool = await ContainerSpool.open(containers, spoolBudgetBytes, systemClock);
    this.executor = await ExecutorThread.start({
      root,
      node,
      trust: this.trust,
      clock: systemClock,
      controlClock: () => this.clockOffset.current,
      agreementKey: await agentKeysIn(join(root, 'keys')).agreementKey(),
      onLiveChanged: () => this.presence.changed(),
    });
    this.standing = new Standing({
      ...{ root, policy: this.hostPolicy, clock: systemClock, programs: hostPrograms },
      executor: this.executor,
      expected: this.enrolment.expected,
      ask: this.askAgain,
      onChanged: () => this.presence.changed(),
      log: this.log,
    });
    this.desk = await ControlDesk.open({
      config: this.config,
      access: this.access,
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
      tls: this.access.tls,
      publicUrl: this.config.publicUrl,
      spool: this.spool,
      uplink: linkGate(this.config.uplink, systemClock, this.config.cpuShare),
      trust: this.trust,
      segment: this.config.segment,
      onNotification: (notification) => this.leader.notified(notification),
      time: () => this.clockOffset.now(),
      health: () => this.standing.health(),
      onServedToMember: (digest, bytes) => {
        this.statistics.servedByUnicast(bytes);
        this.leader.servedToMember(digest, bytes);
      },
    });
    this.access.onRenewed((identity) => this.http.identify(identity));
    const downlink = linkGate(this.config.downlink, systemClock);
    const { http } = this.access;
    this.puller = new ContainerPuller(this.spool, this.trust, steadyClock, http, downlink);
    this.presence = new Presence({
      ...{ clock: systemClock, random: systemRandom },
      ...{ config: this.config, httpUrl: this.http.url },
      agentType: this.hostPolicy.host ? shellType : posixType,
      networkMbitPerS: networkMbitPerS(this.config.interfaceAddress),
      capacity: capacityMeter(this.config.root, systemClock, () => this.http.connections()),
      executor: this.standing,
      onChanged: () => this.runtime.describeChanged(),
    });
  }

  private async openSegment(): Promise<void> {
    const { config, enrolment, access, segmentKeys } = this;
    const { key } = access;
    const controlPort = config.controlPort ?? controlPortOf(key);
    const options = { config, enrolment, key, segmentKey: segmentKeys.ring, controlPort };
    this.transport = await SegmentTransport.open(options);
    const { control } = this.transport;
    // The port is taken by somebody else: peers must know the other one.
    if (control.unicastPort !== controlPort) await this.segmentKeys.refresh();
    const { controlAddress: address, controlPort: port } = enrolment;
    this.place = new SegmentPlace(control, { address, port }, this.log, systemClock.nowMs());
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
      onLate: (site) => this.standing.isLate(site),
      log: this.log,
    });
    this.leader = this.makeLeader();
    this.transport.receive(this.config.node, this.member, this.spool, this.trust);
    this.runtime.start();
    this.segmentKeys.start();
    this.standing.start();
  }

  private makeRuntime(): SegmentRuntime {
    const { segment, node } = this.config;
    return new SegmentRuntime({
      port: this.transport.control,
      clock: systemClock,
      random: systemRandom,
      node,
      timings: this.config.timings,
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
        this.standing.leaderIs(leader !== undefined);
        this.presence.leads(isMe);
        this.log(leader ? `${leader.node} leads ${segment} (term ${leader.term})` : 'no leader');
        const timeUrl = isMe ? `${this.access.gatewayUrl}/api/v1/time` : `${leader?.httpUrl}/time`;
        if (leader) this.clockOffset.follow(timeUrl);
        if (isMe) this.desk.lead();
        else void this.desk.rest();
      },
      onMembersChanged: (_members, reason) => this.reportSegment(reason),
      onLateReport: (report) => this.leader.lateReport(report),
    });
  }

  /** At the leader: tells the control plane. */
  private reportSegment(reason: string): void {
    const report = this.presence.segmentReport(this.runtime, reason);
    if (report) void this.desk.publish('segment', report, '');
  }

  private makeLeader(): Leader {
    const { segment, node } = this.config;
    return new Leader({
      ...{ node, segment, clock: steadyClock, httpUrl: this.http.url },
      runtime: this.runtime,
      link: this.desk.link,
      puller: this.puller,
      memberGraceMs: this.config.timings.registration.expiryMs,
      multicast: (notification, path, members, onAnnouncement) =>
        this.sendToMembers(notification, path, members, onAnnouncement),
      hearsMulticast: (name) => this.transport.hearsMulticast(name),
      announce: (value) => {
        this.statistics.toldToPull(value);
        this.transport.control.broadcast(messageOf(value));
      },
      tell: (url, signed, traceparent) => tellLeader(this.access.http, url, signed, traceparent),
      signedTree: (path) => signedTreeOf(path, this.trust),
      executeHere: (id, path) => void this.member.executeAndReport(id, path, false),
      publish: (kind, report, traceparent) => this.desk.publish(kind, report, traceparent),
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
    const outcome = await transport.send(notification, path, members, http, (announcement) => {
      statistics.announced(announcement);
      onAnnouncement(announcement);
    });
    statistics.sessionEnded(notification.containerDigest, outcome);
    return outcome;
  }
}
