import { create } from '@bufbuild/protobuf';
import type { Cancel, Clock } from '#libs/clock/clock.js';
import {
  type ContainerSource,
  type LinkReport,
  LinkReportSchema,
  MeasuredLinkSchema,
  type PeersRequest,
  PeersRequestSchema,
} from '#libs/contracts/index.js';

export interface LinkProbesOptions {
  readonly segment: string;
  readonly node: string;
  /** Whom to probe, says the planner. @throws when it does not answer */
  readonly peers: (request: PeersRequest) => Promise<readonly ContainerSource[]>;
  /** Microseconds there and back; 0: it is not reached. */
  readonly probe: (url: string) => Promise<number>;
  readonly report: (report: LinkReport) => Promise<void>;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Others appear soon after this one; later links change with routes and firewalls only. */
const firstPauseMs = 15_000;
const longestPauseMs = 300_000;
/** A new leader soon says what it reaches; a fleet that starts together does not do so at once. */
const firstWithinMs = 3_000;
const retryMs = 15_000;

/** A leader measures its links: to the origin and to the few peers that the planner names. */
export class LinkProbes {
  private cancel: Cancel = () => undefined;
  private isOn = false;
  private pauseMs = firstPauseMs;

  constructor(private readonly options: LinkProbesOptions) {}

  start(): void {
    if (this.isOn) return;
    this.isOn = true;
    this.pauseMs = firstPauseMs;
    this.within(firstWithinMs * (0.3 + 0.7 * this.options.random()));
  }

  stop(): void {
    this.isOn = false;
    this.cancel();
  }

  private within(delayMs: number): void {
    if (!this.isOn) return;
    this.cancel();
    this.cancel = this.options.clock.schedule(delayMs, () => {
      this.measure().then(
        () => this.pause(),
        () => this.within(retryMs),
      );
    });
  }

  private pause(): void {
    this.within(this.pauseMs * (0.5 + this.options.random()));
    this.pauseMs = Math.min(2 * this.pauseMs, longestPauseMs);
  }

  /** One peer after the other: probes that share a link would slow each other. */
  private async measure(): Promise<void> {
    const { segment, node, peers, probe, report } = this.options;
    const asked = await peers(create(PeersRequestSchema, { segment, leader: node }));
    const links = [];
    for (const { name, url } of asked) {
      const rttUs = await probe(url);
      links.push(create(MeasuredLinkSchema, { peer: name, isReachable: rttUs > 0, rttUs }));
    }
    if (this.isOn) await report(create(LinkReportSchema, { segment, links }));
  }
}
