import {
  type ClientRequestArgs,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { pipeline, Readable } from 'node:stream';
import { createSecureContext, type PeerCertificate } from 'node:tls';
import type { TlsIdentity } from '#libs/keys/key-provider.js';
import { isControlPlane, nodeIn } from '#libs/keys/tls-names.js';

export interface PeerRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream needs its `content-length` among the headers. */
  readonly body?: Uint8Array | Readable;
  readonly signal?: AbortSignal;
  /** Whose certificate the server must show; `fleet`: the control plane's or an agent's. */
  readonly expect: 'control-plane' | 'fleet';
}

export interface PeerResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** To be read or destroyed. */
  readonly body: IncomingMessage;
}

/** Thrown for a server that shows the certificate of somebody else. */
export class StrangeServer extends Error {
  override readonly name = 'StrangeServer';
}

/** Requests to the control plane and to other agents. Redirects are not followed. */
export interface PeerHttp {
  request(url: string, request: PeerRequest): Promise<PeerResponse>;
}

type Expected = PeerRequest['expect'];
/** Below the 5 s after which servers close an idle connection: none is closed as it is taken. */
const idleMs = 4_000;

/** Over connections that are kept; HTTPS with this agent's certificate, once it has one. */
export class PeerConnections implements PeerHttp {
  private readonly plain = new HttpAgent({ keepAlive: true, timeout: idleMs });
  private secure: Readonly<Record<Expected, HttpsAgent>> = secureAgents(undefined);

  /** Connections from now on are made with this. */
  identify(identity: TlsIdentity): void {
    const former = this.secure;
    this.secure = secureAgents(identity);
    for (const agent of Object.values(former)) {
      for (const sockets of Object.values(agent.freeSockets)) {
        for (const socket of sockets ?? []) socket.destroy();
      }
    }
  }

  request(url: string, { expect, body, ...init }: PeerRequest): Promise<PeerResponse> {
    const isSecure = url.startsWith('https:');
    const options: ClientRequestArgs = { ...init, agent: this.plain };
    if (isSecure) options.agent = this.secure[expect];
    const open = isSecure ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const request = open(url, options, (response) => {
        const { statusCode: status = 0, headers } = response;
        resolve({ status, headers, body: response });
      });
      request.on('error', reject);
      if (body instanceof Readable) {
        pipeline(body, request, (error) => error && reject(error));
        return;
      }
      if (body) request.setHeader('content-length', body.length);
      request.end(body);
    });
  }

  close(): void {
    for (const agent of [this.plain, ...Object.values(this.secure)]) agent.destroy();
  }
}

/** What a response says. @throws when that is more than `mostBytes` */
export async function readAll({ body }: PeerResponse, mostBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let received = 0;
  for await (const chunk of body) {
    received += (chunk as Buffer).length;
    if (received > mostBytes) throw new Error(`the answer is longer than ${mostBytes} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

/** Without authorities, servers are known by their host name and those whom the host trusts. */
function secureAgents(identity: TlsIdentity | undefined): Record<Expected, HttpsAgent> {
  // Reading keys and certificates for each connection costs as much as the connection.
  const secureContext = createSecureContext({
    minVersion: 'TLSv1.3',
    ...(identity ? { ca: [...identity.authorities] } : {}),
    ...(identity?.certificate ? { key: identity.privateKey, cert: identity.certificate } : {}),
  });
  const agentFor = (expect: Expected) =>
    new HttpsAgent({
      keepAlive: true,
      timeout: idleMs,
      secureContext,
      ...(identity ? { checkServerIdentity: (_host, shown) => misfit(shown, expect) } : {}),
    });
  return { 'control-plane': agentFor('control-plane'), fleet: agentFor('fleet') };
}

function misfit({ subjectaltname }: PeerCertificate, expect: Expected): Error | undefined {
  if (isControlPlane(subjectaltname)) return undefined;
  if (expect === 'fleet' && nodeIn(subjectaltname) !== undefined) return undefined;
  return new StrangeServer(`the server shows a certificate for ${subjectaltname ?? 'nobody'}`);
}
