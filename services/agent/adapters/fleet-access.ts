import { join } from 'node:path';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import type { EnrolReply } from '#libs/contracts/index.js';
import { PeerConnections, type PeerHttp } from '#libs/fleet-http/adapters/peer-http.js';
import { agentKeysIn } from '#libs/keys/adapters/file-keys.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import type { TlsIdentity } from '#libs/keys/key-provider.js';
import type { ControlWay, OpenableWay, OpenChannel } from '../app/control-channel.js';
import type { AgentConfig } from '../config.js';
import { askAgain, controlPortOf, enrolAgent, type ServerRemoved } from './enrolment.js';
import { FleetIdentity } from './fleet-identity.js';
import { FollowedTrust } from './followed-trust.js';
import { httpsChannel } from './https-channel.js';
import { natsChannel, webSocketChannel } from './nats-channel.js';
import { signedContent } from './signed-content.js';

type Log = (line: string) => void;

/** Best first: the fewer layers, the less can be in the way. */
const allWays: readonly ControlWay[] = ['nats', 'websocket', 'https'];

/** By what this agent reaches the control plane and other agents, and shows who it is. */
export class FleetAccess {
  /** To other agents and to the control plane, by who they are. */
  readonly http: PeerHttp = {
    request: (url, request) => this.connectionsTo(url).request(url, request),
  };
  /** Called when the control plane has removed this server: `removed` resolves. */
  wasRemoved: (why: ServerRemoved) => void = () => undefined;
  readonly removed = new Promise<ServerRemoved>((resolve) => {
    this.wasRemoved = resolve;
  });
  private readonly fleet = new PeerConnections();
  private readonly identity: FleetIdentity;
  private onIdentity: (identity: TlsIdentity) => void = () => undefined;
  private controlNowMs = () => systemClock.nowMs();

  private constructor(
    private readonly config: AgentConfig,
    readonly key: SigningKey,
    privateKey: string,
    /** Until the agent is enrolled, it knows the control plane by other means. */
    private readonly firstHttp: PeerConnections,
    private reply: EnrolReply,
    /** Whose signatures this agent wants. */
    readonly trust: FollowedTrust,
  ) {
    this.identity = new FleetIdentity(privateKey);
    this.take(reply);
  }

  /** Enrols, however long it takes. @throws EnrolmentRefused, ServerRemoved */
  static async enrol(config: AgentConfig, log: Log): Promise<FleetAccess> {
    const keys = agentKeysIn(join(config.root, 'keys'));
    const key = await keys.agentKey();
    const http = new PeerConnections();
    const { controlCa } = config;
    if (controlCa) http.identify({ privateKey: '', certificate: '', authorities: [controlCa] });
    const controlPort = config.controlPort ?? controlPortOf(key);
    const reply = await enrolAgent(config, key, controlPort, http, systemClock, log);
    const rootFile = join(config.root, 'keys', 'root.json');
    const trust = await FollowedTrust.open(rootFile, reply, systemClock, log);
    return new FleetAccess(config, key, await keys.privateKeyPem(), http, reply, trust);
  }

  get enrolment(): EnrolReply {
    return this.reply;
  }

  /** What this agent's own server shows; none: it speaks plain HTTP. */
  get tls(): TlsIdentity | undefined {
    return this.config.tls === 'on' ? this.identity.current : undefined;
  }

  /** Called with each certificate that replaces the one before. */
  onRenewed(take: (identity: TlsIdentity) => void): void {
    this.onIdentity = take;
  }

  /** The control plane's time, once it is known: NATS refuses what was signed at another. */
  signBy(controlNowMs: () => number): void {
    this.controlNowMs = controlNowMs;
  }

  /** Asks the control plane again: for keys, peers, certificates. */
  async renew(controlPort: number): Promise<EnrolReply> {
    const reply = await askAgain(this.config, this.key, controlPort, this.firstHttp);
    this.reply = reply;
    this.take(reply);
    await this.trust.follow(reply.rootDocuments);
    return reply;
  }

  /** Base URL of the gateway. */
  get gatewayUrl(): string {
    return this.reply.agentUrl || this.config.controlUrl;
  }

  /** The ways to the control plane that this agent may use, best first. */
  ways(): OpenableWay[] {
    const { link } = this.config;
    const allowed = link === 'auto' ? allWays : [link];
    // What the control plane offers may be another thing after the next enrolment.
    return allowed.map((way) => ({ way, open: async (listener) => this.channel(way)(listener) }));
  }

  close(): void {
    this.fleet.close();
    this.firstHttp.close();
  }

  /** A gateway that is known by its host name is so for everything that it serves. */
  private connectionsTo(url: string): PeerHttp {
    const { controlUrl, controlCa, node } = this.config;
    const isKnownByName = !controlCa && new URL(url).origin === new URL(controlUrl).origin;
    const connections = isKnownByName ? this.firstHttp : this.fleet;
    const seesCertificate = !isKnownByName && url.startsWith('https:');
    return seesCertificate ? connections : signedContent(node, this.key, connections, systemClock);
  }

  private channel(way: ControlWay): OpenChannel {
    const { node, natsUrl } = this.config;
    const { reply } = this;
    const { natsUser: user, natsPassword: password } = reply;
    const shared = user === '' ? {} : { shared: { user, password } };
    const signIn = { node, key: this.key, nowMs: () => this.controlNowMs(), ...shared };
    const access = { signIn, authorities: reply.tlsAuthorities };
    switch (way) {
      case 'nats':
        return natsChannel({ ...access, url: natsUrl ?? reply.natsUrl });
      case 'websocket':
        if (reply.natsWebsocketUrl === '') throw new Error('the control plane offers none');
        return webSocketChannel({ ...access, url: reply.natsWebsocketUrl });
      case 'https': {
        const url = () => this.gatewayUrl;
        return httpsChannel({ node, key: this.key, url, http: this.http, clock: systemClock });
      }
    }
  }

  private take(reply: EnrolReply): void {
    if (!this.identity.offer(reply, systemClock.nowMs()) || !this.identity.current) return;
    this.fleet.identify(this.identity.current);
    this.onIdentity(this.identity.current);
  }
}
