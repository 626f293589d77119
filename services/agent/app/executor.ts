import type { KeyObject } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import type { AssignmentHead } from '#libs/assignment/container.js';
import { AssignmentRefused } from '#libs/assignment/errors.js';
import { openContainer } from '#libs/assignment/reader.js';
import { sleep } from '#libs/clock/clock.js';
import {
  type AssignmentHeader,
  type AssignmentReport,
  AssignmentReportSchema,
  JobType,
  type LiveVersion,
  NodeStatus,
} from '#libs/contracts/host.js';
import { checkAdmission } from '#libs/interpreter/admission.js';
import { exclusively } from '#libs/interpreter/exclusive.js';
import { confirmLive, goLive } from '#libs/interpreter/go-live.js';
import type { HostPolicy } from '#libs/interpreter/host-policy.js';
import type { InterpreterPorts } from '#libs/interpreter/ports.js';
import { prepareContainer } from '#libs/interpreter/prepare-container.js';
import { readSiteState, recover, type SiteState } from '#libs/interpreter/recover.js';
import type { SitePolicy } from '#libs/interpreter/site-policy.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';
import { type ControlClock, isTrusted } from './control-clock.js';
import { liveVersionsOf, sitesIn, versionWith } from './site-versions.js';
import { nearMs, untilTime } from './until-due.js';

export type { ControlClock } from './control-clock.js';

/** Remembers for each site the newest assignment that switched it. */
export interface SwitchMemory {
  lastOf(site: string): number;
  remember(site: string, sequence: number): void;
}

export interface ExecutorOptions {
  readonly root: string;
  readonly node: string;
  readonly trust: TrustRoot;
  /** Opens what is encrypted for this host. */
  readonly agreementKey?: KeyObject;
  readonly ports: InterpreterPorts;
  /** What this host's administrator allows and wants. */
  readonly hostPolicy?: HostPolicy;
  readonly controlClock: () => ControlClock;
  readonly switches: SwitchMemory;
  /** Called when another version of a site went live. */
  readonly onLiveChanged: () => void;
  /** A switch that is due later than this is refused as `NotDue`; left out: all are waited for. */
  readonly patienceMs?: number;
}

/** Thrown for a switch of later: nobody is to wait for it here. */
export class NotDue extends Error {
  override readonly name = 'NotDue';

  constructor(
    /** By the control plane's clock. */
    readonly atMs: number,
  ) {
    super(`it is due at ${atMs}`);
  }
}

/** Executes received assignments on this host and says how each went. */
export interface AssignmentExecutor {
  /** What each site serves on this host. */
  liveVersions(): LiveVersion[];
  /** The report of an assignment that was executed since the start, if it succeeded. */
  reportOf(assignmentId: string): AssignmentReport | undefined;
  /** Executes a whole container; errors become the report. A repetition only reports again. */
  execute(assignmentId: string, containerPath: string): Promise<AssignmentReport>;
}

/**
 * Executes on the thread that it is on. Versions are built one after the other; a switch waits for
 * other switches of its site only, so that a build under way holds up none.
 */
export class Executor implements AssignmentExecutor {
  private readonly reports = new Map<string, AssignmentReport>();
  private readonly running = new Map<string, Promise<AssignmentReport>>();
  private readonly sites = new Map<string, SiteState>();
  /** Settled unless a switch waits for its time, which is near then. */
  private armed: Promise<unknown> = Promise.resolve();

  private constructor(private readonly options: ExecutorOptions) {}

  /** Mends what a crash left, then is ready. */
  static async start(options: ExecutorOptions): Promise<Executor> {
    const executor = new Executor(options);
    for (const site of sitesIn(options.root)) {
      executor.sites.set(site, await recover({ root: options.root, site }, options.ports));
      // A probe may take its time; a switch that arrives meanwhile waits for it.
      void executor.switching(site, () => executor.confirm(site));
    }
    return executor;
  }

  liveVersions(): LiveVersion[] {
    return liveVersionsOf(this.sites);
  }

  reportOf(assignmentId: string): AssignmentReport | undefined {
    return this.reports.get(assignmentId);
  }

  execute(assignmentId: string, containerPath: string): Promise<AssignmentReport> {
    const running = this.running.get(assignmentId);
    if (running) return running;
    const done = this.perform(assignmentId, containerPath).finally(() => {
      this.running.delete(assignmentId);
    });
    this.running.set(assignmentId, done);
    return done;
  }

  private async perform(assignmentId: string, path: string): Promise<AssignmentReport> {
    const known = this.reports.get(assignmentId);
    if (known) return known;
    const report = await this.run(assignmentId, path);
    const isOver = report.status !== NodeStatus.FAILED && report.status !== NodeStatus.RECEIVED;
    if (isOver) this.reports.set(assignmentId, report);
    return report;
  }

  private async run(assignmentId: string, path: string): Promise<AssignmentReport> {
    const { node, trust } = this.options;
    try {
      const head = await openContainer(path, trust);
      const { header } = head;
      this.requireSoon(header);
      const outcome =
        header.type === JobType.SWITCH ? await this.switch(header) : await this.prepare(path, head);
      return create(AssignmentReportSchema, { node, assignmentId, ...outcome });
    } catch (error) {
      if (error instanceof NotDue) throw error;
      const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      return failedReport(node, assignmentId, message);
    }
  }

  /** @throws NotDue */
  private requireSoon({ switchAtMs }: AssignmentHeader): void {
    const { ports, controlClock, patienceMs = Number.POSITIVE_INFINITY } = this.options;
    const nowMs = ports.clock.nowMs() + controlClock().offsetMs;
    if (Number(switchAtMs) - nowMs > patienceMs) throw new NotDue(Number(switchAtMs));
  }

  private building<T>(action: () => Promise<T>): Promise<T> {
    return exclusively(`${this.options.root} build`, async () => {
      // A switch that is due any moment goes first.
      await this.armed;
      return action();
    });
  }

  private switching<T>(site: string, action: () => Promise<T>): Promise<T> {
    return exclusively(`${this.options.root} switch ${site}`, action);
  }

  private async prepare(path: string, head: AssignmentHead) {
    const { header } = head;
    const done = await this.building(async () =>
      this.isOnDisk(header)
        ? { status: NodeStatus.PREPARED, treeDigest: header.resultTreeDigest }
        : this.build(path, head),
    );
    if (!header.switchOnApply || done.status !== NodeStatus.PREPARED) return done;
    return this.switching(header.site, () => this.goLive(header, Number(header.sequence)));
  }

  /** Nothing is built where the assignment says that the server has its tree, and it has. */
  private isOnDisk(header: AssignmentHeader): boolean {
    const { baseTreeDigest, resultTreeDigest, commandCount, site } = header;
    if (commandCount > 0n || Buffer.compare(baseTreeDigest, resultTreeDigest) !== 0) return false;
    this.admit(header);
    return versionWith(readSiteState({ root: this.options.root, site }), header, 0) !== undefined;
  }

  private async build(path: string, head: AssignmentHead) {
    const { root, node, trust, agreementKey, ports } = this.options;
    const sitePolicy = this.policyOf(head.header.site);
    const key = agreementKey ? { agreementKey } : {};
    const outcome = await prepareContainer(
      { root, node, path, head, trust, sitePolicy, ...key },
      ports,
    );
    if (outcome.kind === 'waiting') return { status: NodeStatus.RECEIVED };
    const treeDigest = Buffer.from(outcome.prepared.treeDigest, 'hex');
    return { status: NodeStatus.PREPARED, treeDigest };
  }

  private async switch(header: AssignmentHeader) {
    const { root, switches } = this.options;
    const { site } = header;
    const wanted = Number(header.switchToSequence);
    const isHere = () => versionWith(readSiteState({ root, site }), header, wanted) !== undefined;
    // It may be what is being built.
    if (!isHere()) await this.building(async () => undefined);
    return this.switching(site, async () => {
      const { live } = readSiteState({ root, site });
      if (!live || live.sequence !== wanted) {
        this.admit(header);
        const last = switches.lastOf(site);
        if (header.sequence < BigInt(last)) {
          const text = `assignment ${header.sequence} of ${site} is older than ${last}`;
          throw new AssignmentRefused('replayed', text);
        }
      }
      return this.goLive(header, wanted);
    });
  }

  private async goLive(header: AssignmentHeader, wanted: number) {
    const { root, ports, switches, controlClock, onLiveChanged } = this.options;
    const { site } = header;
    const location = { root, site };
    const sequence = versionWith(readSiteState(location), header, wanted) ?? wanted;
    const sitePolicy = this.policyOf(site);
    const onReceipt = header.switchAtMs > 0n && !isTrusted(controlClock());
    let readyAtMs: number | undefined;
    const due = async () => {
      readyAtMs = ports.clock.nowMs() + controlClock().offsetMs;
      if (!onReceipt) await this.untilDue(header);
    };
    const isTogether = header.switchAtMs > 0n;
    const settle = () => (isTogether ? sleep(ports.clock, settleMs) : Promise.resolve());
    const { switchedAtMs, treeDigest, cleanup } = await this.noticing(site, () =>
      goLive({ ...location, sequence, sitePolicy, due, settle }, ports),
    );
    switches.remember(site, Number(header.sequence));
    void cleanup.then((removed) => {
      if (removed.length === 0) return;
      this.sites.set(site, readSiteState(location));
      onLiveChanged();
    });
    const { offsetMs, errorMs } = controlClock();
    return {
      status: NodeStatus.SWITCHED,
      treeDigest: Buffer.from(treeDigest, 'hex'),
      switchedAtMs: BigInt(Math.round(switchedAtMs + offsetMs)),
      clockErrorMs: Math.ceil(errorMs),
      readyAtMs: BigInt(Math.round(readyAtMs ?? 0)),
      onReceipt,
    };
  }

  private async untilDue({ switchAtMs }: AssignmentHeader): Promise<void> {
    const { ports, controlClock } = this.options;
    await untilTime(Number(switchAtMs) - nearMs, ports.clock, controlClock);
    const due = untilTime(Number(switchAtMs), ports.clock, controlClock);
    this.armed = Promise.all([this.armed, due]);
    await due;
  }

  private admit(header: AssignmentHeader): void {
    const { node, ports } = this.options;
    const facts = { site: header.site, node, nowMs: ports.clock.nowMs(), highestSwitched: 0 };
    checkAdmission(header, { ...facts, agentType: ports.otherHost?.agentType });
  }

  /** Repeats the checks of what went live just before this host or this agent stopped. */
  private async confirm(site: string): Promise<void> {
    const { root, ports } = this.options;
    try {
      const sitePolicy = this.policyOf(site);
      await this.noticing(site, () => confirmLive({ root, site, sitePolicy }, ports));
    } catch {
      // It was switched back, or cannot be; what is live now is what the registration says.
    }
  }

  /** Says what is live after the action, however it ended. */
  private async noticing<T>(site: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } finally {
      const before = this.sites.get(site)?.live?.sequence;
      const state = readSiteState({ root: this.options.root, site });
      this.sites.set(site, state);
      if (state.live?.sequence !== before) this.options.onLiveChanged();
    }
  }

  private policyOf(site: string): Partial<SitePolicy> {
    return this.options.hostPolicy?.policyOf(site) ?? {};
  }
}

/** Servers that switch together leave each other so long before they flush what they did. */
const settleMs = 50;

/** What a server says of an assignment that it could not get or execute. */
export function failedReport(node: string, assignmentId: string, error: string): AssignmentReport {
  const status = NodeStatus.FAILED;
  return create(AssignmentReportSchema, { node, assignmentId, status, error });
}
