import type { Register, RegistrationReport } from '#libs/contracts/index.js';
import type { UdpAddress } from '#libs/multicast/control-port.js';
import {
  type RegistrationInput,
  registrationWakeAtMs,
  startRegistration,
  stepRegistration,
} from './registration.js';
import {
  membersOf,
  type RegistryInput,
  registryWakeAtMs,
  startRegistry,
  stepRegistry,
} from './registry.js';
import type { SegmentMember, SegmentOptions } from './segment.js';

/** What registration does to the outside. */
export interface MembershipWays {
  /** Registers with the leader. */
  register(): void;
  /** Tells everybody who is registered here. */
  report(nodes: readonly string[]): void;
}

/** Both sides of registration at one node: a member's, and a leader's list of members. */
export class SegmentMembership {
  /** How many members the last report of the leader named. */
  memberCount = 1;
  private registration;
  private registry;

  constructor(
    private readonly options: SegmentOptions,
    private readonly ways: MembershipWays,
    nowMs: number,
  ) {
    const { node, timings, random } = options;
    this.registration = startRegistration(node, timings.registration, random);
    this.registry = startRegistry(timings.registration, nowMs);
  }

  get members(): SegmentMember[] {
    return membersOf(this.registry);
  }

  addressOf(node: string): UdpAddress | undefined {
    return this.registry.entries.get(node)?.address;
  }

  wakeAtMs(isLeader: boolean): number {
    const ownMs = registrationWakeAtMs(this.registration);
    return isLeader ? Math.min(ownMs, registryWakeAtMs(this.registry)) : ownMs;
  }

  tick(isLeader: boolean, nowMs: number): void {
    this.stepOwn({ type: 'tick' }, nowMs);
    if (isLeader) this.stepList({ type: 'tick' }, nowMs);
  }

  /** Another node leads, or nobody: a list of this node's own time as a leader is void. */
  followLeader(leader: string | undefined, nowMs: number): void {
    this.stepOwn({ type: 'leader', leader }, nowMs);
    if (leader !== undefined) {
      this.registry = startRegistry(this.options.timings.registration, nowMs);
    }
  }

  descriptionChanged(nowMs: number): void {
    this.stepOwn({ type: 'description-changed' }, nowMs);
  }

  hearReport(report: RegistrationReport, nowMs: number): void {
    this.memberCount = report.nodes.length;
    this.stepOwn({ type: 'report', report }, nowMs);
  }

  /** At the leader; `from` is missing for its own registration. */
  register(register: Register, nowMs: number, from?: UdpAddress): void {
    this.stepList({ type: 'register', register, from }, nowMs);
  }

  remove(node: string, why: 'left' | 'duplicate', nowMs: number): void {
    this.stepList({ type: 'remove', node, why }, nowMs);
  }

  private stepOwn(input: RegistrationInput, nowMs: number): void {
    const [next, effects] = stepRegistration(this.registration, input, nowMs);
    this.registration = next;
    if (effects.length > 0) this.ways.register();
  }

  private stepList(input: RegistryInput, nowMs: number): void {
    const [next, effects] = stepRegistry(this.registry, input, nowMs);
    this.registry = next;
    for (const effect of effects) {
      if (effect.type === 'members-changed') {
        this.options.onMembersChanged?.(this.members, effect.reason);
        continue;
      }
      this.memberCount = effect.nodes.length;
      this.ways.report(effect.nodes);
    }
  }
}
