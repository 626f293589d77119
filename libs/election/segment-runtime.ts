import type { AssignmentReport, LeaderAlive, Register } from '#libs/contracts/index.js';
import type { UdpAddress } from '#libs/multicast/control-port.js';
import { senderIdOf } from '#libs/multicast/sealed-frame.js';
import { Alarm } from './alarm.js';
import { type ElectionInput, stepElection } from './election.js';
import {
  type Election,
  type ElectionEffect,
  electionWakeAtMs,
  leaderOf,
  startElection,
} from './election-state.js';
import { IdentityDoubt } from './identity-doubt.js';
import {
  candidateOf,
  controlMessage,
  identityConflict,
  leaderAlive,
  leaderClaim,
  leaderNews,
  leave,
  type Message,
  type MessageOf,
  registrationReport,
} from './messages.js';
import type { CollectOptions, SegmentLeader, SegmentMember, SegmentOptions } from './segment.js';
import { listen, type SegmentEars } from './segment-ears.js';
import { type MembershipWays, SegmentMembership } from './segment-membership.js';
import { type ReportWays, SegmentReports } from './segment-reports.js';

/**
 * One node's part in its segment: election, registration and reports over a control port. It sleeps
 * between messages on a single timer.
 */
export class SegmentRuntime {
  private readonly alarm: Alarm;
  private readonly reports: SegmentReports;
  private readonly membership: SegmentMembership;
  private readonly doubt: IdentityDoubt;
  private readonly ears = this.makeEars();
  private election: Election;
  private description: Register;
  /** The leader's own words of where it is. */
  private voice?: { node: string; httpUrl: string; from: UdpAddress };
  private unsubscribe?: () => void;

  constructor(private readonly options: SegmentOptions) {
    const { node, timings, random } = options;
    this.alarm = new Alarm(options.clock, () => this.tick());
    this.description = options.describe();
    const nowMs = this.alarm.nowMs();
    const settings = { node, timings: timings.election, random };
    [this.election] = startElection(settings, options.priority(), nowMs);
    const membershipWays: MembershipWays = {
      register: () => this.register(),
      report: (nodes) => this.broadcast(registrationReport(node, this.election.term, nodes)),
    };
    this.membership = new SegmentMembership(options, membershipWays, nowMs);
    this.doubt = new IdentityDoubt(timings.registration, () =>
      this.broadcast(identityConflict(node)),
    );
    const ways: ReportWays = {
      sendToLeader: (value) => this.sendToLeader({ case: 'assignmentReport', value }),
      requestOne: (to, value) => this.sendToMember(to, { case: 'reportRequest', value }),
      requestAll: (value) => this.broadcast({ case: 'reportRequest', value }),
    };
    this.reports = new SegmentReports(node, timings.reports, random, ways, options);
  }

  /** Joins the segment. A runtime starts once. */
  start(): void {
    const nowMs = this.alarm.nowMs();
    const { settings, priority } = this.election;
    const [election, effects] = startElection(settings, priority, nowMs);
    this.election = election;
    const { port } = this.options;
    const stopListening = port.onMessage((received) => {
      listen(received, this.ears);
      this.setAlarm();
    });
    const stopWatching = port.onConflict?.((name) => this.hearConflict(name));
    this.unsubscribe = () => {
      stopListening();
      stopWatching?.();
    };
    for (const effect of effects) this.performElection(effect);
    this.setAlarm();
  }

  /** Says goodbye to the segment and stops; open collections end with what they have. */
  close(): void {
    if (!this.unsubscribe) return;
    this.unsubscribe();
    this.unsubscribe = undefined;
    this.broadcast(leave(this.options.node));
    this.reports.endAll(this.alarm.nowMs());
    this.alarm.stop();
    [this.election] = startElection(this.election.settings, 0n, this.alarm.nowMs());
  }

  /** From `start` to `close`: there is no segment otherwise. */
  get isRunning(): boolean {
    return this.unsubscribe !== undefined;
  }

  get isLeader(): boolean {
    return this.election.situation.name === 'leader-is-me';
  }

  /** `undefined` while a vote is going on. */
  get leader(): SegmentLeader | undefined {
    const leader = leaderOf(this.election);
    if (!leader) return undefined;
    const { node, term } = leader;
    if (this.isLeader) return { node, term, httpUrl: this.description.httpUrl };
    return { node, term, httpUrl: this.voice?.httpUrl ?? '', from: this.voice?.from };
  }

  /** At the leader: the registered members with itself. Elsewhere empty. */
  get members(): readonly SegmentMember[] {
    return this.isLeader ? this.membership.members : [];
  }

  /** This node's description changed: registers again at once. */
  describeChanged(): void {
    this.description = this.options.describe();
    const nowMs = this.alarm.nowMs();
    if (this.isLeader) this.membership.register(this.description, nowMs);
    this.membership.descriptionChanged(nowMs);
    this.tick();
  }

  /**
   * At the leader: waits for the participants' reports of an assignment and asks for missing ones.
   * Ends early, with what there is, when another node leads.
   * @returns one report per participant, in their order; the status of a silent one is MISSING
   */
  collectReports(
    assignmentId: string,
    participants: readonly string[],
    options: CollectOptions = {},
  ): Promise<AssignmentReport[]> {
    const nowMs = this.alarm.nowMs();
    const collected = this.reports.start(assignmentId, participants, options, nowMs);
    const canCollect = this.unsubscribe && this.election.situation.name !== 'leader-known';
    if (canCollect) this.setAlarm();
    else this.reports.endAll(nowMs);
    return collected;
  }

  /** Reports to the leader, which may be this node; repeated when asked for. */
  report(report: AssignmentReport): void {
    const { memberCount } = this.membership;
    this.reports.send({ type: 'report', report, memberCount }, this.alarm.nowMs());
    if (this.isLeader) this.reports.receive(report, this.alarm.nowMs());
    this.tick();
  }

  private tick(): void {
    if (!this.unsubscribe) return;
    const nowMs = this.alarm.nowMs();
    this.doubt.tick(nowMs);
    const priority = this.doubt.isActive(nowMs) ? 0n : this.options.priority();
    if (priority !== this.election.priority) this.stepElection({ type: 'priority', priority });
    this.stepElection({ type: 'tick' });
    this.membership.tick(this.isLeader, nowMs);
    this.reports.tick(nowMs);
    this.setAlarm();
  }

  private setAlarm(): void {
    this.alarm.setFor(
      Math.min(
        electionWakeAtMs(this.election),
        this.membership.wakeAtMs(this.isLeader),
        this.reports.wakeAtMs(),
        this.doubt.wakeAtMs(),
      ),
    );
  }

  private hearConflict(name: string): void {
    const nowMs = this.alarm.nowMs();
    if (name !== this.options.node) {
      if (!this.isLeader) return;
      this.membership.remove(name, 'duplicate', nowMs);
      this.options.onIdentityConflict?.(name);
      this.broadcast(identityConflict(name));
    } else {
      if (this.doubt.extend(nowMs)) this.options.onIdentityConflict?.(name);
      this.tick();
    }
    this.setAlarm();
  }

  private makeEars(): SegmentEars {
    const nowMs = () => this.alarm.nowMs();
    return {
      alive: (alive, from) => this.hearAlive(alive, from),
      claim: (from) => this.stepElection({ type: 'leader-claim', from }),
      leave: (node) => {
        this.stepElection({ type: 'leave', node });
        this.membership.remove(node, 'left', nowMs());
      },
      register: (register, from) => {
        if (this.isLeader) this.membership.register(register, nowMs(), from);
      },
      registered: (report) => this.membership.hearReport(report, nowMs()),
      requested: (request) => this.hearRequest(request),
      reported: (report) => {
        if (this.isLeader) this.reports.receive(report, nowMs());
      },
      announced: (announcement, from) => this.options.onAnnouncements?.([announcement], from),
      doubted: (node, sender) => {
        const isLeaders = sender === senderIdOf(this.leader?.node ?? '');
        if (node === this.options.node && isLeaders) this.hearConflict(node);
      },
    };
  }

  private hearAlive(alive: LeaderAlive, from: UdpAddress): void {
    const former = this.voice;
    this.voice = { node: alive.node, httpUrl: alive.httpUrl, from };
    this.stepElection({ type: 'leader-alive', from: candidateOf(alive) });
    if (leaderOf(this.election)?.node !== alive.node) this.voice = former;
    else this.hearNews(alive);
    if (alive.sessions.length > 0) this.options.onAnnouncements?.(alive.sessions, from);
  }

  private hearNews({ newestKeyEpoch, controlAddress, controlPort }: LeaderAlive): void {
    const channel = controlPort ? { address: controlAddress, port: controlPort } : undefined;
    this.options.onLeaderNews?.({ newestKeyEpoch, channel });
  }

  private hearRequest(request: MessageOf<'reportRequest'>): void {
    const others = Math.max(1, this.membership.memberCount - request.reported.length);
    const memberCount = request.missing.length || others;
    this.reports.send({ type: 'request', request, memberCount }, this.alarm.nowMs());
    this.reports.send({ type: 'tick' }, this.alarm.nowMs());
  }

  private stepElection(input: ElectionInput): void {
    const [next, effects] = stepElection(this.election, input, this.alarm.nowMs());
    this.election = next;
    for (const effect of effects) this.performElection(effect);
  }

  private performElection(effect: ElectionEffect): void {
    const { node } = this.options;
    if (effect.type === 'entered') {
      this.options.onElectionState?.(effect.from, effect.to, effect.reason);
    } else if (effect.type === 'leader-changed') {
      this.changeLeader(effect.leader?.node, effect.isMe);
    } else if (effect.type === 'send-claim') {
      this.broadcast(leaderClaim({ ...effect, node }));
    } else {
      const news = leaderNews(this.options, this.description.httpUrl);
      this.broadcast(leaderAlive({ ...effect, node }, news));
    }
  }

  private changeLeader(leader: string | undefined, isMe: boolean): void {
    const nowMs = this.alarm.nowMs();
    const other = isMe ? undefined : leader;
    this.membership.followLeader(other, nowMs);
    this.reports.send({ type: 'leader', known: other !== undefined }, nowMs);
    if (other !== undefined) {
      this.reports.endAll(nowMs);
      this.reports.send({ type: 'tick' }, nowMs);
    }
    if (isMe) {
      this.description = this.options.describe();
      this.membership.register(this.description, nowMs);
    }
    this.options.onLeaderChanged?.(this.leader, isMe);
  }

  private register(): void {
    this.description = this.options.describe();
    this.sendToLeader({ case: 'register', value: this.description });
  }

  private sendToLeader(message: Message): void {
    const to = this.isLeader ? undefined : this.leader?.from;
    if (to && !this.doubt.isActive(this.alarm.nowMs()))
      this.options.port.send(controlMessage(message), to);
  }

  /** A member that has not registered is reached by everybody's channel. */
  private sendToMember(node: string, message: Message): void {
    if (node === this.options.node) return;
    const to = this.membership.addressOf(node);
    if (to) this.options.port.send(controlMessage(message), to);
    else this.broadcast(message);
  }

  private broadcast(message: Message): void {
    this.options.port.broadcast(controlMessage(message));
  }
}
