import type { Cancel, Clock } from '#libs/clock/clock.js';
import type { EnrolReply } from '#libs/contracts/index.js';
import { SegmentKeyRing } from '#libs/keys/segment-key-ring.js';
import { ServerRemoved } from './enrolment.js';

export interface SegmentKeysOptions {
  readonly enrolment: EnrolReply;
  /** Asks the control plane again. */
  readonly ask: () => Promise<EnrolReply>;
  readonly clock: Clock;
  readonly isLeader: () => boolean;
  /** Frames of epochs that this agent does not know, counted since it started. */
  readonly unknownEpochs: () => number;
  /** Called whenever it looks after itself. */
  readonly onWatch: (nowMs: number) => void;
  /** Called when the control plane has removed this server. */
  readonly onRemoved: (why: ServerRemoved) => void;
  readonly log: (line: string) => void;
}

const watchEveryMs = 15_000;
/** A leader asks for a whole segment: the others hear of a new key from it. */
const leaderAsksEveryMs = 60_000;
const memberAsksEveryMs = 3_600_000;
const leastGapMs = 5_000;

/** The segment's keys: asked for again now and then, and whenever the segment has a newer one. */
export class SegmentKeys {
  readonly ring: SegmentKeyRing;
  private askedAtMs: number;
  private heardUnknown = 0;
  private cancel: Cancel = () => undefined;

  constructor(private readonly options: SegmentKeysOptions) {
    const { clock, enrolment } = options;
    this.ring = new SegmentKeyRing(scheduleOf(enrolment), () => clock.nowMs());
    this.askedAtMs = Number.NEGATIVE_INFINITY;
  }

  start(): void {
    const { clock } = this.options;
    if (this.askedAtMs < 0) this.askedAtMs = clock.nowMs();
    this.cancel = clock.schedule(watchEveryMs, () => {
      this.watch();
      this.start();
    });
  }

  close(): void {
    this.cancel();
  }

  /** The leader has a key of this epoch. */
  leaderHas(newestEpoch: number): void {
    if (newestEpoch > this.ring.newestEpoch()) void this.refresh();
  }

  private watch(): void {
    const { clock, isLeader, unknownEpochs } = this.options;
    const unknown = unknownEpochs();
    const isBehind = unknown > this.heardUnknown;
    this.heardUnknown = unknown;
    const everyMs = isLeader() ? leaderAsksEveryMs : memberAsksEveryMs;
    this.options.onWatch(clock.nowMs());
    if (isBehind || clock.nowMs() - this.askedAtMs >= everyMs) void this.refresh();
  }

  /** Asks the control plane, unless it was asked a moment ago. */
  async refresh(): Promise<void> {
    const { ask, clock, onRemoved, log } = this.options;
    const nowMs = clock.nowMs();
    if (nowMs - this.askedAtMs < leastGapMs) return;
    this.askedAtMs = nowMs;
    const before = this.ring.newestEpoch();
    try {
      this.ring.replace(scheduleOf(await ask()));
      const newest = this.ring.newestEpoch();
      if (newest !== before) log(`the segment's key of epoch ${newest} is here`);
    } catch (error) {
      if (error instanceof ServerRemoved) return onRemoved(error);
      log(`the segment's keys are not renewed: ${(error as Error).message}`);
    }
  }
}

function scheduleOf({ segmentKeys }: EnrolReply) {
  return segmentKeys.map(({ epoch, key, useFromMs }) => ({
    epoch,
    key,
    useFromMs: Number(useFromMs),
  }));
}
