import type { UdpAddress } from '#libs/multicast/control-port.js';
import { controlGroupOf, isScopedGroup } from '#libs/multicast/group-choice.js';

/** The control channel, as far as its place goes. */
export interface Movable {
  readonly dropped: Readonly<Record<string, number>>;
  group(): UdpAddress;
  moveTo(group: UdpAddress): Promise<void>;
}

/** Strangers' frames on the segment's group, per second, that make its leader leave it. */
const bearableNoisePerS = 500;
const noises = ['malformed', 'other-segment', 'unknown-epoch', 'limited', 'forged'] as const;

/**
 * Where the segment talks. Members enter by the home group; a leader that hears much noise there
 * moves the segment on, and says so in Leader Alive. Members follow their leader.
 */
export class SegmentPlace {
  private noise = 0;
  private watchedAtMs: number;
  private moves = 0;

  constructor(
    private readonly channel: Movable,
    private readonly home: UdpAddress,
    private readonly log: (line: string) => void,
    nowMs: number,
  ) {
    this.watchedAtMs = nowMs;
  }

  /** `undefined`: at home. */
  moved(): UdpAddress | undefined {
    const at = this.channel.group();
    return at.address === this.home.address && at.port === this.home.port ? undefined : at;
  }

  /** The leader talks there; `undefined`: at home. */
  follow(group: UdpAddress | undefined): void {
    if (group && !isScopedGroup(group)) return;
    this.go(group ?? this.home);
  }

  /** At the leader, now and then. */
  watch(nowMs: number): void {
    const noise = noises.reduce((sum, reason) => sum + (this.channel.dropped[reason] ?? 0), 0);
    const seconds = Math.max(1, (nowMs - this.watchedAtMs) / 1_000);
    const noisePerS = (noise - this.noise) / seconds;
    this.noise = noise;
    this.watchedAtMs = nowMs;
    if (noisePerS <= bearableNoisePerS) return;
    this.moves++;
    const group = controlGroupOf(this.home, this.moves);
    this.log(`${Math.round(noisePerS)} strange frames/s: the segment moves to ${group.address}`);
    this.go(group);
  }

  private go(group: UdpAddress): void {
    this.channel.moveTo(group).catch((error: Error) => {
      this.log(`the segment's channel does not move to ${group.address}: ${error.message}`);
    });
  }
}
