import { rootCertificates } from 'node:tls';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type ConnectionOptions,
  connect,
  headers,
  type NatsConnection,
  nuid,
  usernamePasswordAuthenticator,
  type WsConnectionOptions,
  wsconnect,
} from '@nats-io/transport-node';
import { WebSocket } from 'ws';
import {
  NotificationSchema,
  SegmentStatusSchema,
  SignedReportSchema,
  subjects,
} from '#libs/contracts/index.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import { natsPassword } from '#libs/keys/nats-sign-in.js';
import type {
  AgentQuestion,
  ChannelListener,
  ControlChannel,
  OpenChannel,
} from '../app/control-channel.js';
import type { SpooledReport } from './report-spool.js';

/** How an agent shows NATS who it is. */
export interface NatsSignIn {
  readonly node: string;
  readonly key: SigningKey;
  /** By the control plane's clock. */
  readonly nowMs: () => number;
  /** A user that all agents share; none: its own key. */
  readonly shared?: { readonly user: string; readonly password: string };
}

export interface NatsAccess {
  readonly signIn: NatsSignIn;
  readonly url: string;
  /** Who may have signed the server's certificate, PEM, besides those that the host trusts. */
  readonly authorities: readonly string[];
}

const requestTimeoutMs = 3_000;
const openTimeoutMs = 3_000;
const reconnectMs = 1_000;
/** A firewall may swallow packets without a word: the server is asked whether it is there. */
const pingMs = 10_000;

/** NATS over TCP; `tls://` where the server wants it. */
export function natsChannel(access: NatsAccess): OpenChannel {
  const tls = access.url.startsWith('tls:') ? { tls: { ca: caOf(access) } } : {};
  return async (listener) => {
    const connection = await connect({ ...optionsOf(access), ...tls });
    return new NatsChannel(connection, access.signIn.node, listener);
  };
}

/** NATS over WebSocket, `ws://` or `wss://`: for firewalls that let nothing but the web through. */
export function webSocketChannel(access: NatsAccess): OpenChannel {
  const options: WsConnectionOptions = {
    ...optionsOf(access),
    // Node 20 has no WebSocket of its own.
    wsFactory: async (url) => {
      const isEncrypted = url.startsWith('wss:');
      const socket = new WebSocket(url, isEncrypted ? { ca: caOf(access) } : {});
      return { socket: socket as never, encrypted: isEncrypted };
    },
  };
  return async (listener) => {
    return new NatsChannel(await wsconnect(options), access.signIn.node, listener);
  };
}

/** Who an agent is for NATS; a signature counts once, so each connection has its own. */
export function signInOptions({ node, key, nowMs, shared }: NatsSignIn): ConnectionOptions {
  if (shared) return { user: shared.user, pass: shared.password };
  const password = () => natsPassword(node, key, nowMs(), nuid.next());
  return {
    authenticator: usernamePasswordAuthenticator(node, password),
    inboxPrefix: subjects.agentInbox(node),
  };
}

function optionsOf({ url, signIn }: NatsAccess): ConnectionOptions {
  return {
    servers: url,
    ...signInOptions(signIn),
    name: `agent ${signIn.node}`,
    timeout: openTimeoutMs,
    maxReconnectAttempts: -1,
    reconnectTimeWait: reconnectMs,
    ignoreAuthErrorAbort: true,
    pingInterval: pingMs,
    noAsyncTraces: true,
  };
}

/** Named authorities take the place of those that the host trusts, unless both are named. */
function caOf({ authorities }: NatsAccess): string {
  return [...rootCertificates, ...authorities].join('\n');
}

class NatsChannel implements ControlChannel {
  constructor(
    private readonly connection: NatsConnection,
    private readonly node: string,
    private readonly listener: ChannelListener,
  ) {
    this.listen();
    void this.watch();
  }

  async ask(question: AgentQuestion, request: Uint8Array): Promise<Uint8Array> {
    const subject = subjects.agentRequest('tree-planner', question, this.node);
    const { data } = await this.connection.request(subject, request, { timeout: requestTimeoutMs });
    return data;
  }

  async deliver({ id, kind, report }: SpooledReport): Promise<void> {
    const messageHeaders = headers();
    messageHeaders.set('Nats-Msg-Id', id);
    const reply = await this.connection.request(
      subjects.ingressOf(this.node, kind),
      toBinary(SignedReportSchema, report),
      { timeout: requestTimeoutMs, headers: messageHeaders },
    );
    const acknowledgement = reply.json<{ stream?: string; error?: { description: string } }>();
    if (!acknowledgement.stream) {
      throw new Error(acknowledgement.error?.description ?? 'no stream took the report');
    }
  }

  close(): Promise<void> {
    return this.connection.close();
  }

  private listen(): void {
    this.connection.subscribe(subjects.agentNotification(this.node), {
      callback: (error, message) => {
        if (error) return;
        const notification = fromBinary(NotificationSchema, message.data);
        message.respond();
        this.listener.notified(notification);
      },
    });
    this.connection.subscribe(subjects.segmentStatus(this.node), {
      callback: (error, message) => {
        if (error) return;
        message.respond(toBinary(SegmentStatusSchema, this.listener.segmentStatus()));
      },
    });
  }

  private async watch(): Promise<void> {
    let isDown = false;
    for await (const { type } of this.connection.status()) {
      // Over WebSocket each is told several times.
      if (type === 'disconnect' && !isDown) this.listener.down('the connection is lost');
      if (type === 'reconnect' && isDown) this.listener.up();
      if (type === 'disconnect' || type === 'reconnect') isDown = type === 'disconnect';
    }
  }
}
