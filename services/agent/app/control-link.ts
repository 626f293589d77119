import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Cancel, type Clock, sleep } from '#libs/clock/clock.js';
import {
  type ContainerSource,
  type NextLeaderReply,
  NextLeaderReplySchema,
  type NextLeaderRequest,
  NextLeaderRequestSchema,
  type Notification,
  PeersReplySchema,
  type PeersRequest,
  PeersRequestSchema,
  type SegmentStatus,
} from '#libs/contracts/index.js';
import type { ReportSpool, SpooledReport } from '../adapters/report-spool.js';
import type {
  AgentQuestion,
  ChannelListener,
  ControlChannel,
  OpenableWay,
} from './control-channel.js';

export interface ControlLinkOptions {
  /** Best first; all are tried in turn. */
  readonly ways: readonly OpenableWay[];
  readonly spool: ReportSpool;
  readonly clock: Clock;
  readonly onNotification: (notification: Notification) => void;
  /** What this agent tells of its segment, as its leader. */
  readonly segmentStatus: () => SegmentStatus;
  readonly log: (line: string) => void;
}

const retryMs = 1_000;
/** A way that is lost for so long gives way to another. */
const patienceMs = 5_000;
/** How often a better way than the one in use is tried. */
const betterEveryMs = 60_000;

/** A channel in use. */
interface Held {
  readonly channel: ControlChannel;
  /** Index of its way. */
  readonly at: number;
  isDropped?: boolean;
}

/**
 * A leader's link to the control plane, by whichever way leads there. Reports go to disk first and
 * leave it when the ingress stream has them, so that an outage on either side loses none.
 */
export class ControlLink {
  private stop: AbortController | undefined;
  private held: Held | undefined;
  private giveUp: Cancel = () => undefined;
  /** Ends the use of the held channel. */
  private release: () => void = () => undefined;
  private flushing: Promise<void> = Promise.resolve();
  private lastFailure = '';

  constructor(private readonly options: ControlLinkOptions) {}

  /** Connects, however long it takes, and keeps connected until `close`. */
  connect(): void {
    if (this.stop) return;
    this.stop = new AbortController();
    void this.keep(this.stop.signal);
  }

  async close(): Promise<void> {
    this.stop?.abort();
    this.stop = undefined;
    this.giveUp();
    this.release();
    await this.drop(this.held);
    await this.flushing;
  }

  /** Spools a report and sends it as soon as the control plane can be reached. */
  async report(report: SpooledReport): Promise<void> {
    await this.options.spool.add(report);
    this.flush();
  }

  /** Asks for the next leader to notify. @throws when the planner cannot be reached */
  async nextLeader(request: NextLeaderRequest): Promise<NextLeaderReply> {
    const reply = await this.ask('next', toBinary(NextLeaderRequestSchema, request));
    return fromBinary(NextLeaderReplySchema, reply);
  }

  /** Asks whom to probe. @throws when the planner cannot be reached */
  async peers(request: PeersRequest): Promise<readonly ContainerSource[]> {
    const reply = await this.ask('peers', toBinary(PeersRequestSchema, request));
    return fromBinary(PeersReplySchema, reply).peers;
  }

  private ask(question: AgentQuestion, request: Uint8Array): Promise<Uint8Array> {
    return this.current().ask(question, request);
  }

  private current(): ControlChannel {
    if (!this.held) throw new Error('not connected to the control plane');
    return this.held.channel;
  }

  private async keep(signal: AbortSignal): Promise<void> {
    const { ways, clock, log } = this.options;
    while (!signal.aborted) {
      const opened = await this.openFirst(ways.length, signal);
      if (!opened) {
        await sleep(clock, retryMs);
        continue;
      }
      if (ways.length > 1) log(`the control plane is reached by ${ways[opened.at]?.way}`);
      await this.drop(await this.use(opened, signal));
    }
  }

  /** Until it is lost for long; a better way takes its place. @returns what was used last */
  private async use(opened: Held, signal: AbortSignal): Promise<Held> {
    let inUse = opened;
    while (!signal.aborted) {
      this.held = inUse;
      const isReleased = new Promise<void>((resolve) => {
        this.release = resolve;
      });
      this.flush();
      const isOver = await this.overWithin(isReleased, inUse.at === 0 ? undefined : betterEveryMs);
      if (isOver) return inUse;
      const better = await this.openFirst(inUse.at, signal);
      if (!better) continue;
      await this.drop(inUse);
      inUse = better;
    }
    return inUse;
  }

  private async drop(held: Held | undefined): Promise<void> {
    if (!held || held.isDropped) return;
    held.isDropped = true;
    if (this.held === held) this.held = undefined;
    await held.channel.close();
  }

  /** Whether the held channel was released, and not only the time is over. */
  private async overWithin(released: Promise<void>, timeMs: number | undefined): Promise<boolean> {
    const isOver = released.then(() => true);
    if (timeMs === undefined) return isOver;
    let cancel: Cancel = () => undefined;
    const isLate = new Promise<boolean>((resolve) => {
      cancel = this.options.clock.schedule(timeMs, () => resolve(false));
    });
    return Promise.race([isOver, isLate]).finally(cancel);
  }

  /** The first of so many ways that leads to the control plane. */
  private async openFirst(count: number, signal: AbortSignal): Promise<Held | undefined> {
    for (const [at, { way, open }] of this.options.ways.slice(0, count).entries()) {
      try {
        const channel = await open(this.listener(way));
        if (!signal.aborted) return { channel, at };
        await channel.close();
        return undefined;
      } catch (error) {
        this.failed(`${way}: ${(error as Error).message}`);
      }
      if (signal.aborted) return undefined;
    }
    return undefined;
  }

  private listener(way: string): ChannelListener {
    const { onNotification, segmentStatus, clock, ways } = this.options;
    return {
      notified: onNotification,
      segmentStatus,
      down: (reason) => {
        this.failed(`${way}: ${reason}`);
        this.giveUp();
        if (ways.length > 1) this.giveUp = clock.schedule(patienceMs, () => this.release());
      },
      up: () => {
        this.giveUp();
        this.flush();
      },
    };
  }

  private flush(): void {
    this.flushing = this.flushing.then(() => this.sendWaiting());
  }

  private async sendWaiting(): Promise<void> {
    const { spool, clock } = this.options;
    try {
      for (const report of spool.waiting()) {
        await this.current().deliver(report);
        await spool.remove(report);
      }
      this.lastFailure = '';
    } catch (error) {
      if (!this.stop) return;
      this.failed(`reports, which wait: ${(error as Error).message}`);
      clock.schedule(retryMs, () => this.flush());
    }
  }

  /** An outage is told once, not every second. */
  private failed(failure: string): void {
    if (failure === this.lastFailure) return;
    this.lastFailure = failure;
    this.options.log(`the control plane is not reached by ${failure}`);
  }
}
