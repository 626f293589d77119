import { create, fromBinary, fromJson, toBinary, toJson } from '@bufbuild/protobuf';
import { jetstream } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { uuidv7 } from 'uuidv7';
import { posixType } from '#libs/assignment/command-sets.js';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import {
  EnrolReplySchema,
  EnrolRequestSchema,
  type IngressKind,
  type IngressReport,
  IngressReportSchema,
  JobType,
  NodeStatus,
  type Notification,
  NotificationSchema,
  SignedReportSchema,
  subjects,
} from '#libs/contracts/index.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { signReport } from '#libs/keys/signed-report.js';
import { signInOptions } from '#services/agent/adapters/nats-channel.js';
import { until } from '../../support/until.js';
import type { AgentEffect } from './verdict.js';

const publishTimeoutMs = 2_000;
const retryMs = 500;

/** A segment of agents of which the leader speaks NATS; what they do is written into a book. */
export class SimulatedSegment {
  readonly effects: AgentEffect[] = [];
  private readonly key = signingKeyFromPem(generatePrivateKeyPem());
  private readonly done = new Map<string, Promise<void>>();
  private nats: NatsConnection | undefined;

  constructor(
    private readonly segment: string,
    private readonly members: readonly string[],
  ) {}

  private get leader(): string {
    return this.members[0] ?? '';
  }

  /** Enrols, connects and registers; asks until the control plane takes it. */
  async start(gatewayUrl: () => string, joinToken: string): Promise<void> {
    for (const node of this.members) await this.enrol(node, gatewayUrl, joinToken);
    const access = await this.enrol(this.leader, gatewayUrl, joinToken);
    this.nats = await connect({
      servers: access.natsUrl,
      ...signInOptions({ node: this.leader, key: this.key, nowMs: () => systemClock.nowMs() }),
      ignoreAuthErrorAbort: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
      waitOnFirstConnect: true,
    });
    this.nats.subscribe(subjects.agentNotification(this.leader), {
      callback: (error, message) => {
        if (error) return;
        message.respond();
        this.notified(fromBinary(NotificationSchema, message.data));
      },
    });
    await this.register();
  }

  async close(): Promise<void> {
    await this.nats?.close();
  }

  private async enrol(node: string, gatewayUrl: () => string, joinToken: string) {
    const { publicKey } =
      node === this.leader ? this.key : signingKeyFromPem(generatePrivateKeyPem());
    const request = create(EnrolRequestSchema, {
      node,
      segment: this.segment,
      joinToken,
      publicKey,
    });
    return until(
      `${node} is enrolled`,
      async () => {
        const response = await fetch(`${gatewayUrl()}/api/v1/enrol`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(toJson(EnrolRequestSchema, request)),
        });
        if (!response.ok) throw new Error(await response.text());
        return fromJson(EnrolReplySchema, JSON.parse(await response.text()));
      },
      { intervalMs: retryMs, timeoutMs: 120_000 },
    );
  }

  private register(): Promise<void> {
    const { segment, leader } = this;
    const members = this.members.map((node) => ({ node, agentType: posixType }));
    const value = { segment, leader, term: 1n, httpUrl: 'http://127.0.0.1:1', members };
    return this.report('segment', 'register', { case: 'networkSegment', value } as never);
  }

  /** As a real leader: what is done is reported again, what is under way is left alone. */
  private notified(notification: Notification): void {
    const { assignmentId } = notification;
    const known = this.done.get(assignmentId);
    this.done.set(
      assignmentId,
      known ? known.then(() => this.tell(notification)) : this.execute(notification),
    );
  }

  private async execute(notification: Notification): Promise<void> {
    const { runId, site, assignmentId, type, nodes, sequence } = notification;
    const kind = type === JobType.SWITCH ? 'switch' : 'prepare';
    for (const node of nodes) {
      this.effects.push({ node, runId, site, assignmentId, kind, sequence: Number(sequence) });
    }
    const { segment, source, containerBytes: bytes } = notification;
    const value = { assignmentId, segment, bytes, source };
    await this.report('received', `${assignmentId}-received`, { case: 'received', value } as never);
    await this.tell(notification);
  }

  private tell({ runId, assignmentId, segment, type, nodes }: Notification): Promise<void> {
    const status = type === JobType.SWITCH ? NodeStatus.SWITCHED : NodeStatus.PREPARED;
    const reports = nodes.map((node) => ({
      node,
      assignmentId,
      status,
      switchedAtMs: type === JobType.SWITCH ? BigInt(Date.now()) : 0n,
    }));
    const value = { runId, assignmentId, segment, nodes: reports };
    const report = { case: 'assignment', value } as never;
    return this.report('assignment', `${assignmentId}-${uuidv7()}`, report);
  }

  /** Until the ingress stream has it. */
  private async report(kind: IngressKind, reportId: string, report: IngressReport['report']) {
    const ingress = create(IngressReportSchema, {
      reportId,
      reportedAtMs: BigInt(Date.now()),
      report,
    });
    const payload = toBinary(SignedReportSchema, signReport(this.leader, this.key, ingress));
    const subject = subjects.ingressOf(this.leader, kind);
    for (;;) {
      const { nats } = this;
      if (!nats || nats.isClosed()) return;
      try {
        const options = { msgID: `${this.leader}-${reportId}`, timeout: publishTimeoutMs };
        await jetstream(nats).publish(subject, payload, options);
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }
}
