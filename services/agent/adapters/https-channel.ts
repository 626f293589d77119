import { randomBytes } from 'node:crypto';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { Clock } from '#libs/clock/clock.js';
import {
  type LinkAnswer,
  LinkAnswerSchema,
  LinkPolledSchema,
  LinkPollSchema,
  type LinkRequest,
  LinkRequestKind,
  NotificationSchema,
  SegmentStatusSchema,
  SignedReportSchema,
} from '#libs/contracts/index.js';
import { type PeerHttp, readAll } from '#libs/fleet-http/adapters/peer-http.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import { signatureHeaders } from '#libs/keys/http-signature.js';
import type {
  AgentQuestion,
  ChannelListener,
  ControlChannel,
  OpenChannel,
} from '../app/control-channel.js';
import { longPoll, requestTimeoutMs } from './long-poll.js';
import type { SpooledReport } from './report-spool.js';

export interface GatewayAccess {
  readonly node: string;
  /** Signs every request: the gateway knows the node by it, also behind a proxy. */
  readonly key: SigningKey;
  /** The gateway's base URL, asked for anew each time: it may be another one since. */
  readonly url: () => string;
  readonly http: PeerHttp;
  readonly clock: Clock;
}

const longestAnswerBytes = 8 * 1024 * 1024;

/** HTTPS only: one long poll brings what the control plane has to say, POST takes the rest. */
export function httpsChannel(access: GatewayAccess): OpenChannel {
  return async (listener) => {
    const channel = new HttpsChannel(access, listener);
    await channel.poll([], 0);
    void channel.listen();
    return channel;
  };
}

class HttpsChannel implements ControlChannel {
  private readonly stop = new AbortController();

  constructor(
    private readonly access: GatewayAccess,
    private readonly listener: ChannelListener,
  ) {}

  ask(question: AgentQuestion, request: Uint8Array): Promise<Uint8Array> {
    return this.post(`ask/${question}`, request, requestTimeoutMs);
  }

  async deliver({ id, kind, report }: SpooledReport): Promise<void> {
    const body = toBinary(SignedReportSchema, report);
    await this.post(`reports/${kind}/${id}`, body, requestTimeoutMs);
  }

  async close(): Promise<void> {
    this.stop.abort();
  }

  /** What waits for this agent; sends the answers to what it was asked before. */
  async poll(answers: LinkAnswer[], waitMs: number): Promise<readonly LinkRequest[]> {
    const body = toBinary(LinkPollSchema, create(LinkPollSchema, { answers, waitMs }));
    const reply = await this.post('poll', body, waitMs + requestTimeoutMs);
    return fromBinary(LinkPolledSchema, reply).requests;
  }

  /** Polls until the channel is closed. */
  listen(): Promise<void> {
    return longPoll({
      isUp: true,
      clock: this.access.clock,
      signal: this.stop.signal,
      poll: (answers, waitMs) => this.poll(answers, waitMs),
      answerTo: (request) => this.answerTo(request),
      up: () => this.listener.up(),
      down: (reason) => this.listener.down(reason),
    });
  }

  private answerTo({ id, kind, payload }: LinkRequest): LinkAnswer | undefined {
    switch (kind) {
      case LinkRequestKind.NOTIFICATION:
        this.listener.notified(fromBinary(NotificationSchema, payload));
        return create(LinkAnswerSchema, { id });
      case LinkRequestKind.SEGMENT_STATUS: {
        const status = toBinary(SegmentStatusSchema, this.listener.segmentStatus());
        return create(LinkAnswerSchema, { id, payload: status });
      }
      default:
        return undefined;
    }
  }

  private async post(name: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const { node, key, http, clock, url } = this.access;
    const path = `/api/v1/link/${name}`;
    const nonce = randomBytes(16).toString('base64url');
    const signed = { method: 'POST', path, body };
    const response = await http.request(`${url()}${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/protobuf',
        ...signatureHeaders(node, key, signed, clock.nowMs(), nonce),
      },
      body,
      signal: AbortSignal.any([this.stop.signal, AbortSignal.timeout(timeoutMs)]),
      expect: 'control-plane',
    });
    const reply = await readAll(response, longestAnswerBytes);
    if (response.status >= 200 && response.status < 300) return reply;
    throw new Error(`${path} was answered by ${response.status} ${reasonIn(reply)}`);
  }
}

function reasonIn(body: Uint8Array): string {
  try {
    return String(JSON.parse(Buffer.from(body).toString()).message ?? '');
  } catch {
    return '';
  }
}
