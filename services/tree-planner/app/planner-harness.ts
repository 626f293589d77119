import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { Cancel } from '#libs/clock/clock.js';
import {
  type DomainEvent,
  EnrolNodeSchema,
  event,
  IngressReportSchema,
  JobType,
  type Notification,
  type RecordedEvent,
  RemoveNodeSchema,
  type SignedReport,
} from '#libs/contracts/index.js';
import { type EventLog, noEvents } from '#libs/event-log/event-log.js';
import { ownerOf } from '#libs/event-log/event-owners.js';
import { LogView } from '#libs/event-log/log-view.js';
import { memoryLog } from '#libs/event-log/memory-log.js';
import { generatePrivateKeyPem, type SigningKey, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { signReport } from '#libs/keys/signed-report.js';
import { silentLogger } from '#libs/telemetry/logger.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { defaultHandOutConfig } from '../config.js';
import { assignmentBuilt, assignmentId, runId, runStarted } from '../domain/planner-fixture.js';
import {
  emptyPlannerView,
  evolvePlannerView,
  type PlannerView,
  plannerAggregates,
} from '../domain/planner-view.js';
import { Distributions } from './distributions.js';
import { EnrolmentService } from './enrolment.js';
import { HandOut } from './hand-out.js';
import type { Leaders } from './ports.js';
import { Reports } from './reports.js';

/** A clock that tells how many timers run. */
export class WatchedClock extends VirtualClock {
  private readonly running = new Set<symbol>();

  get timerCount(): number {
    return this.running.size;
  }

  override schedule(delayMs: number, action: () => void): Cancel {
    const timer = Symbol();
    this.running.add(timer);
    const cancel = super.schedule(delayMs, () => {
      this.running.delete(timer);
      action();
    });
    return () => {
      this.running.delete(timer);
      cancel();
    };
  }
}

/** Everything of one planner process on a log in memory, and the leaders that it reaches. */
export class PlannerHarness {
  /** Notifications in the order sent. */
  readonly sent: Notification[] = [];
  /** Leaders that do not answer. */
  readonly deaf = new Set<string>();
  /** What was said to operators. */
  readonly warnings: string[] = [];
  readonly handOut: HandOut;
  readonly reports: Reports;
  readonly enrolment: EnrolmentService;
  private causes = 0;

  constructor(
    readonly log: EventLog,
    readonly clock: WatchedClock,
    private readonly keys: Map<string, SigningKey>,
    readonly view: LogView<PlannerView>,
    mostOriginFanOut: number,
  ) {
    const distributions = new Distributions(log, view, clock);
    const leaders: Leaders = {
      notify: async (leader, notification) => {
        this.sent.push(notification);
        return !this.deaf.has(leader);
      },
    };
    this.handOut = new HandOut(
      view,
      distributions,
      leaders,
      clock,
      silentLogger,
      new Map([['', 'http://origin']]),
      { ...defaultHandOutConfig, mostOriginFanOut },
      () => new Uint8Array([1]),
    );
    const logger = { ...silentLogger, warn: (message: string) => this.warnings.push(message) };
    this.reports = new Reports(log, view, distributions, this.handOut, clock, logger);
    this.enrolment = new EnrolmentService(log, view, clock);
  }

  async enrol(node: string, segment: string): Promise<void> {
    const key = signingKeyFromPem(generatePrivateKeyPem());
    this.keys.set(node, key);
    const command = create(EnrolNodeSchema, { node, segment, publicKey: key.publicKey });
    await this.enrolment.enrol(command, { actor: 'test', commandId: `enrol-${node}` });
  }

  async remove(node: string): Promise<void> {
    const command = create(RemoveNodeSchema, { node });
    await this.enrolment.remove(command, { actor: 'test', commandId: `remove-${node}` });
  }

  /** A report as the node would sign it. */
  signed(node: string, report: MessageInitShape<typeof IngressReportSchema>): SignedReport {
    const key = this.keys.get(node);
    if (!key) throw new Error(`${node} has no key`);
    const reportedAtMs = BigInt(this.clock.nowMs());
    return signReport(node, key, create(IngressReportSchema, { reportedAtMs, ...report }));
  }

  /** The segment's leader `<segment>-1` enrols and reports itself. */
  async lead(segment: string): Promise<void> {
    const leader = `${segment}-1`;
    if (!this.keys.has(leader)) await this.enrol(leader, segment);
    const value = { segment, leader, httpUrl: `http://${leader}`, members: [{ node: leader }] };
    const report = { case: 'networkSegment', value } as const;
    const reportId = `segment-${++this.causes}-${this.clock.nowMs()}`;
    await this.reports.onSegment(this.signed(leader, { reportId, report }));
    await this.settle();
  }

  async append(id: string, happened: DomainEvent): Promise<RecordedEvent> {
    const aggregate = { type: ownerOf[happened.type], id };
    const last = (await this.log.read(aggregate)).at(-1);
    const head = last ? { sequence: last.sequence, version: last.version } : noEvents;
    const causationId = `cause-${++this.causes}`;
    const context = { actor: 'test', correlationId: runId, causationId };
    const nowMs = this.clock.nowMs();
    const [recorded] = await this.log.append(aggregate, head, [happened], context, nowMs);
    if (!recorded) throw new Error('nothing was appended');
    await this.view.reaches(recorded.sequence);
    return recorded;
  }

  /** Starts the run and plans its assignment to these segments. */
  async distribute(segments: readonly string[], containerBytes = 1_000): Promise<void> {
    await this.append(runId, runStarted());
    const happened = assignmentBuilt(segments, JobType.PUBLISH, containerBytes);
    const built = await this.append('www', happened);
    await this.handOut.plan(built as RecordedEvent<'AssignmentBuilt'>);
    await this.settle();
  }

  async receive(
    segment: string,
    reportId = `received-${segment}`,
    source = 'origin',
    bytes = 1_000n,
  ) {
    const value = { assignmentId, segment, bytes, source };
    const report = { case: 'received', value } as const;
    await this.reports.onReceived(this.signed(`${segment}-1`, { reportId, report }));
    await this.settle();
  }

  /** Types (and segments) of the distribution's events. */
  async story(): Promise<string[]> {
    const events = await this.log.read({ type: 'distribution', id: assignmentId });
    return events.map(({ type, data }) => ('segment' in data ? `${type} ${data.segment}` : type));
  }

  /** Lets everything finish that waits for no timer. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await new Promise((done) => setImmediate(done));
  }

  async advance(durationMs: number): Promise<void> {
    this.clock.advance(durationMs);
    await this.settle();
  }

  async close(): Promise<void> {
    this.handOut.close();
    await this.view.close();
  }
}

/** Starts a planner; give `log`, `clock` and `keys` of another one to start it again. */
export async function startPlanner(
  log = memoryLog(),
  clock = new WatchedClock(1_000_000),
  keys = new Map<string, SigningKey>(),
  mostOriginFanOut = 2,
): Promise<PlannerHarness> {
  const view = await LogView.start<PlannerView>(log, {
    aggregateTypes: plannerAggregates,
    initial: emptyPlannerView,
    evolve: evolvePlannerView,
  });
  return new PlannerHarness(log, clock, keys, view, mostOriginFanOut);
}

/** What reporting appends when a segment has prepared. */
export function prepared(segment: string): DomainEvent {
  return event('SegmentPrepared', { runId, assignmentId, segment });
}
