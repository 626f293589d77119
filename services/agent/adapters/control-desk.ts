import { join } from 'node:path';
import { systemClock, systemRandom } from '#libs/clock/adapters/system-clock.js';
import {
  type IngressKind,
  type IngressReport,
  type Notification,
  type SegmentStatus,
} from '#libs/contracts/index.js';
import { ControlLink } from '../app/control-link.js';
import { LinkProbes } from '../app/link-probes.js';
import type { AgentConfig } from '../config.js';
import type { FleetAccess } from './fleet-access.js';
import { probePeer } from './probe-peer.js';
import { publishReport } from './publish-report.js';
import { ReportSpool } from './report-spool.js';

export interface ControlDeskOptions {
  readonly config: AgentConfig;
  readonly access: FleetAccess;
  readonly onNotification: (notification: Notification) => void;
  readonly segmentStatus: () => SegmentStatus;
  readonly log: (line: string) => void;
}

/** Where an agent talks with the control plane: while it leads its segment, and only then. */
export class ControlDesk {
  private isClosed = false;

  private constructor(
    readonly link: ControlLink,
    private readonly probes: LinkProbes,
    private readonly options: ControlDeskOptions,
  ) {}

  static async open(options: ControlDeskOptions): Promise<ControlDesk> {
    const { config, access, onNotification, segmentStatus, log } = options;
    const spool = await ReportSpool.open(join(config.root, 'spool', 'reports'));
    const ways = access.ways();
    const link = new ControlLink({
      ...{ ways, spool, clock: systemClock, onNotification, segmentStatus, log },
    });
    const probes = new LinkProbes({
      segment: config.segment,
      node: config.node,
      peers: (request) => link.peers(request),
      probe: (url) => probePeer(access.http, url),
      report: (value) => desk.publish('links', { case: 'links', value }, ''),
      clock: systemClock,
      random: systemRandom,
    });
    const desk = new ControlDesk(link, probes, options);
    return desk;
  }

  lead(): void {
    this.link.connect();
    this.probes.start();
  }

  async rest(): Promise<void> {
    this.probes.stop();
    await this.link.close();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.rest();
  }

  /** An agent that ends cuts its collections short: what they give is no report. */
  async publish(kind: IngressKind, report: IngressReport['report'], traceparent: string) {
    if (this.isClosed) return;
    const { config, access } = this.options;
    const reporter = { node: config.node, key: access.key };
    await publishReport(this.link, reporter, { kind, report, traceparent });
  }
}
