import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Cancel, type Clock, scheduleTogether } from '#libs/clock/clock.js';
import type {
  EventContext,
  NextLeaderReplySchema,
  NextLeaderRequest,
  Notification,
  RecordedEvent,
} from '#libs/contracts/index.js';
import { type Caller, commandContext, contextOf } from '#libs/nest-jetstream/context.js';
import { type Logger, reasonOf } from '#libs/telemetry/logger.js';
import { Admission } from '#libs/tree/admission.js';
import { origin } from '#libs/tree/hand-out.js';
import type { HandOutConfig } from '../config.js';
import { notificationFor } from '../domain/notification.js';
import { planLeaders } from '../domain/plan-leaders.js';
import { withTrees } from '../domain/plan-trees.js';
import { canPull, type Origins } from '../domain/reach.js';
import { policyFor } from '../domain/tree-view.js';
import { type Contact, contactKey, type Telling, whoToNotify } from '../domain/who-to-notify.js';
import type { Distributions } from './distributions.js';
import type { Leaders, View } from './ports.js';

const retryAfterErrorMs = 1_000;
const lookEveryMs = 2_400;
/** Each is an event; they are appended together. */
const toldAtOnce = 50;

/**
 * Gets assignments to leaders: plans, tells leaders, answers who is next. A timer runs only while
 * something is open.
 */
export class HandOut {
  private readonly contacts = new Map<string, Contact>();
  private readonly startedAtMs: number;
  private readonly admission = new Admission();
  private cancelTimer: Cancel = () => undefined;
  private cancelLook: Cancel = () => undefined;
  private timerAtMs = Number.POSITIVE_INFINITY;
  private running = false;
  private again = false;
  private closed = false;

  constructor(
    private readonly view: View,
    private readonly distributions: Distributions,
    private readonly leaders: Leaders,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly origins: Origins,
    private readonly config: HandOutConfig,
    private readonly sign: (notification: Notification) => Uint8Array,
  ) {
    this.startedAtMs = clock.nowMs();
  }

  /** Plans who gets an assignment, and begins. */
  async plan(built: RecordedEvent<'AssignmentBuilt'>): Promise<void> {
    await this.view.reaches(built.sequence);
    const { assignmentId, runId, targets, containerBytes } = built.data;
    if (!this.view.state.deliveries.has(assignmentId)) return;
    const { state } = this.view;
    const policy = policyFor(state, built.data.site);
    const inOrder = planLeaders(targets, state, policy, this.origins);
    const size = Number(containerBytes);
    const trees = withTrees(inOrder, size, state, policy, this.origins, this.config);
    const command = { type: 'plan', assignmentId, runId, ...trees } as const;
    await this.distributions.change(assignmentId, command, contextOf(built, 'tree-planner'));
    this.wake();
  }

  /** Whom a leader that has an assignment tells next; empty when there is nobody for it now. */
  async next(
    { assignmentId, segment: asker, leader }: NextLeaderRequest,
    caller: Caller,
  ): Promise<MessageInitShape<typeof NextLeaderReplySchema>> {
    const { deliveries, segments } = this.view.state;
    const delivery = deliveries.get(assignmentId);
    const plan = delivery?.distribution;
    if (!delivery || !plan || plan.situation === 'unplanned') return {};
    if (!plan.slots.has(asker) || segments.get(asker)?.leader !== leader) return {};
    const command = { type: 'hand-on', asker, segments: this.servedBy(asker) } as const;
    const context = commandContext(caller, plan.runId);
    const [told] = await this.distributions.change(assignmentId, command, context);
    if (told?.type !== 'LeaderNotified') return {};
    this.lookWithin(this.config.handOutTimeoutMs);
    const next = told.data;
    const { state } = this.view;
    const notification = notificationFor(delivery, next.segment, asker, state, this.origins);
    return {
      next: notification,
      signedNext: this.sign(notification),
      leader: next.leader,
      httpUrl: state.segments.get(next.segment)?.httpUrl ?? '',
    };
  }

  /** The leaders that can pull from another; looked at one by one, as they are asked for. */
  private servedBy(source: string) {
    const { state } = this.view;
    const has = (segment: string) =>
      state.segments.has(segment) && canPull(state, segment, source, this.origins);
    const get = (segment: string) => (has(segment) ? state.segments.get(segment) : undefined);
    return { has, get };
  }

  /** A segment's leader appeared, again or anew: it is told what it may have lost. */
  appeared(segment: string, leader: string): void {
    const nowMs = this.clock.nowMs();
    for (const { assignment, distribution, reported } of this.view.state.deliveries.values()) {
      const slot = distribution.situation !== 'unplanned' && distribution.slots.get(segment);
      if (!slot || slot.standing === 'waiting' || reported.has(segment)) continue;
      const key = contactKey(assignment.assignmentId, segment);
      const lastAtMs = this.admission.admit(nowMs, segment);
      this.contacts.set(key, { leader, standing: 'due', unanswered: 0, lastAtMs });
    }
    this.wake();
  }

  /** A leader received: whoever served it serves the next. */
  async progressed(assignmentId: string, source: string): Promise<void> {
    const plan = this.view.state.deliveries.get(assignmentId)?.distribution;
    this.lookWithin(this.config.handOutTimeoutMs);
    if (!plan || plan.situation === 'unplanned' || !plan.slots.has(source)) return;
    const command = { type: 'hand-on', asker: source, segments: this.servedBy(source) } as const;
    const context = this.contextFor(assignmentId, `hand-on/${source}`);
    const [told] = await this.distributions.change(assignmentId, command, context);
    if (told?.type === 'LeaderNotified') this.send(told.data, source);
  }

  /** Looks what is to be done now: at the start, and when somebody may have to be told. */
  wake(): void {
    this.again = true;
    if (this.running || this.closed) return;
    this.running = true;
    void this.work();
  }

  /**
   * Looks again and again while deliveries are open: another replica may have begun them and died.
   * Who was told is in the log, so that replicas do not tell leaders twice for nothing.
   */
  keepLooking(): void {
    if (this.closed) return;
    if (this.view.state.deliveries.size > 0) this.wake();
    this.cancelLook = scheduleTogether(this.clock, lookEveryMs, () => this.keepLooking());
  }

  close(): void {
    this.closed = true;
    this.cancelLook();
    this.stopTimer();
  }

  private async work(): Promise<void> {
    while (this.again && !this.closed) {
      this.again = false;
      this.stopTimer();
      try {
        await this.turn();
      } catch (error) {
        this.logger.warn('leaders could not be told; trying again', { reason: reasonOf(error) });
        this.lookWithin(retryAfterErrorMs);
      }
    }
    this.running = false;
  }

  private async turn(): Promise<void> {
    const { state } = this.view;
    this.forgetWhatIsOver();
    const nowMs = this.clock.nowMs();
    const toDo = whoToNotify(
      ...([state, this.contacts, this.startedAtMs, this.config, nowMs, this.origins] as const),
    );
    for (const telling of toDo.giveUp) await this.giveUp(telling);
    for (const some of chunksOf(toDo.notify)) await this.tell(some);
    if (toDo.nextAtMs !== undefined) this.lookWithin(toDo.nextAtMs - this.clock.nowMs());
    if (toDo.giveUp.length > 0) this.again = true;
  }

  /** Persists first, then sends: a leader that was told is one the log knows of. */
  private async tell({ assignmentId, tellings }: Tellings): Promise<void> {
    const command = { type: 'notify', tellings, source: origin } as const;
    const names = tellings.map(({ segment, leader }) => `${segment}/${leader}`);
    const context = this.contextFor(assignmentId, `notify/${names.join()}`);
    await this.distributions.change(assignmentId, command, context);
    for (const telling of tellings) this.send(telling, origin);
  }

  private send({ assignmentId, segment, leader }: Telling, source: string): void {
    const { state } = this.view;
    const delivery = state.deliveries.get(assignmentId);
    if (!delivery) return;
    const key = contactKey(assignmentId, segment);
    const known = this.contacts.get(key);
    const asking: Contact = {
      leader,
      standing: 'asking',
      unanswered: known?.leader === leader ? known.unanswered : 0,
      lastAtMs: this.clock.nowMs(),
    };
    this.contacts.set(key, asking);
    const notification = notificationFor(delivery, segment, source, state, this.origins);
    const { httpUrl = '' } = state.segments.get(segment) ?? {};
    void this.leaders.notify(leader, notification, httpUrl).then((isAnswered) => {
      if (this.contacts.get(key) !== asking) return;
      this.contacts.set(key, {
        leader,
        standing: isAnswered ? 'answered' : 'silent',
        unanswered: isAnswered ? 0 : asking.unanswered + 1,
        lastAtMs: this.clock.nowMs(),
      });
      this.lookWithin(isAnswered ? this.config.reminderMs : this.config.retryMs);
    });
  }

  private async giveUp({ assignmentId, segment, leader }: Telling): Promise<void> {
    const reason = `${leader} did not answer ${this.config.maxAttempts} notifications`;
    this.logger.warn('a leader does not answer', { assignmentId, segment, leader });
    const command = { type: 'fail', segment, leader, reason } as const;
    const context = this.contextFor(assignmentId, `give-up/${segment}/${leader}`);
    await this.distributions.change(assignmentId, command, context);
    const key = contactKey(assignmentId, segment);
    const known = this.contacts.get(key);
    if (known?.leader === leader) this.contacts.set(key, { ...known, standing: 'given-up' });
  }

  /**
   * The cause is this step of this distribution: two replicas that do the same thing append once, a
   * later repetition appends anew.
   */
  private contextFor(assignmentId: string, step: string): EventContext {
    const delivery = this.view.state.deliveries.get(assignmentId);
    const version = delivery?.head.version ?? 0;
    return {
      actor: 'service:tree-planner',
      correlationId: delivery?.assignment.runId ?? assignmentId,
      causationId: `${assignmentId}/${version}/${step}`,
      ...(delivery?.traceparent ? { traceparent: delivery.traceparent } : {}),
    };
  }

  private forgetWhatIsOver(): void {
    const { deliveries } = this.view.state;
    for (const key of this.contacts.keys()) {
      if (!deliveries.has(key.slice(0, key.indexOf('/')))) this.contacts.delete(key);
    }
  }

  /**
   * Looks again no later than in `delayMs`. A look goes through all leaders, so what need not be
   * seen at once waits for a timer: thousands of leaders report in the same seconds.
   */
  private lookWithin(delayMs: number): void {
    const atMs = this.clock.nowMs() + Math.max(0, delayMs);
    if (this.closed || this.timerAtMs <= atMs) return;
    this.stopTimer();
    this.timerAtMs = atMs;
    this.cancelTimer = this.clock.schedule(Math.max(0, delayMs), () => {
      this.timerAtMs = Number.POSITIVE_INFINITY;
      this.wake();
    });
  }

  private stopTimer(): void {
    this.cancelTimer();
    this.timerAtMs = Number.POSITIVE_INFINITY;
  }
}

/** Leaders of one assignment that are told together. */
interface Tellings {
  readonly assignmentId: string;
  readonly tellings: readonly Telling[];
}

function chunksOf(all: readonly Telling[]): Tellings[] {
  const chunks: { assignmentId: string; tellings: Telling[] }[] = [];
  for (const telling of all) {
    const last = chunks.at(-1);
    const fits = last?.assignmentId === telling.assignmentId && last.tellings.length < toldAtOnce;
    if (last && fits) last.tellings.push(telling);
    else chunks.push({ assignmentId: telling.assignmentId, tellings: [telling] });
  }
  return chunks;
}
