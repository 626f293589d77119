import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import type { Clock } from '#libs/clock/clock.js';
import {
  type EnrolReply,
  type NextLeaderReply,
  NextLeaderReplySchema,
  type NextLeaderRequest,
  NextLeaderRequestSchema,
  type Notification,
  NotificationSchema,
  type SegmentStatus,
  SegmentStatusSchema,
  SignedReportSchema,
  subjects,
} from '#libs/contracts/index.js';
import type { ReportSpool, SpooledReport } from './report-spool.js';

export interface ControlLinkOptions {
  readonly node: string;
  readonly enrolment: EnrolReply;
  readonly spool: ReportSpool;
  readonly clock: Clock;
  readonly onNotification: (notification: Notification) => void;
  /** What this agent tells of its segment, as its leader. */
  readonly segmentStatus: () => SegmentStatus;
  readonly log: (line: string) => void;
}

const requestTimeoutMs = 3_000;
const retryMs = 1_000;

/**
 * A leader's connection to the control plane over NATS. Reports go to disk first and leave it when
 * the ingress stream has acknowledged them, so that an outage on either side loses none.
 */
export class ControlLink {
  private connection: NatsConnection | undefined;
  private flushing: Promise<void> = Promise.resolve();
  private open = false;

  constructor(private readonly options: ControlLinkOptions) {}

  /** Connects, however long it takes; `close` gives up. */
  async connect(): Promise<void> {
    if (this.open) return;
    this.open = true;
    const { enrolment, node } = this.options;
    const connection = await connect({
      servers: enrolment.natsUrl,
      user: enrolment.natsUser,
      pass: enrolment.natsPassword,
      name: `agent ${node}`,
      maxReconnectAttempts: -1,
      reconnectTimeWait: retryMs,
      waitOnFirstConnect: true,
      ignoreAuthErrorAbort: true,
    });
    if (!this.open) return connection.close();
    this.connection = connection;
    this.listen(connection);
    void this.watch(connection);
    this.flush();
  }

  async close(): Promise<void> {
    this.open = false;
    const { connection } = this;
    this.connection = undefined;
    await connection?.close();
  }

  /** Spools a report and sends it as soon as the control plane can be reached. */
  async report(report: SpooledReport): Promise<void> {
    await this.options.spool.add(report);
    this.flush();
  }

  /** Asks for the next leader to notify. @throws when the planner cannot be reached */
  async nextLeader(request: NextLeaderRequest): Promise<NextLeaderReply> {
    if (!this.connection) throw new Error('not connected to the control plane');
    const reply = await this.connection.request(
      subjects.agentRequest('tree-planner', 'next'),
      toBinary(NextLeaderRequestSchema, request),
      { timeout: requestTimeoutMs },
    );
    return fromBinary(NextLeaderReplySchema, reply.data);
  }

  private listen(connection: NatsConnection): void {
    connection.subscribe(subjects.agentNotification(this.options.node), {
      callback: (error, message) => {
        if (error) return;
        message.respond();
        this.options.onNotification(fromBinary(NotificationSchema, message.data));
      },
    });
    connection.subscribe(subjects.segmentStatus(this.options.node), {
      callback: (error, message) => {
        if (error) return;
        message.respond(toBinary(SegmentStatusSchema, this.options.segmentStatus()));
      },
    });
  }

  /** Whatever waited during an outage goes out when the connection is back. */
  private async watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'reconnect') this.flush();
    }
  }

  private flush(): void {
    this.flushing = this.flushing.then(() => this.sendWaiting());
  }

  private async sendWaiting(): Promise<void> {
    for (const report of await this.options.spool.waiting()) {
      try {
        await this.send(report);
        await this.options.spool.remove(report);
      } catch (error) {
        if (!this.open) return;
        this.options.log(`report ${report.id} waits: ${(error as Error).message}`);
        this.options.clock.schedule(retryMs, () => this.flush());
        return;
      }
    }
  }

  private async send({ id, kind, report }: SpooledReport): Promise<void> {
    if (!this.connection) throw new Error('not connected to the control plane');
    const messageHeaders = headers();
    messageHeaders.set('Nats-Msg-Id', id);
    const reply = await this.connection.request(
      subjects.ingressOf(this.options.node, kind),
      toBinary(SignedReportSchema, report),
      { timeout: requestTimeoutMs, headers: messageHeaders },
    );
    const acknowledgement = reply.json<{ stream?: string; error?: { description: string } }>();
    if (!acknowledgement.stream) {
      throw new Error(acknowledgement.error?.description ?? 'no stream took the report');
    }
  }
}
