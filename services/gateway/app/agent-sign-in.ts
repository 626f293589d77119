import { subjectsOfAgent } from '#libs/contracts/index.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import { accountNkey, claimsIn, natsJwt } from '#libs/keys/nats-jwt.js';
import { natsConnect, signInHeaders } from '#libs/keys/nats-sign-in.js';
import type { AgentRequests } from './agent-requests.js';

export interface AgentSignInOptions {
  readonly agents: Pick<AgentRequests, 'senderOf'>;
  /** nats-server's configuration names its public half as issuer. */
  readonly issuer: SigningKey;
  /** The NATS account of the control plane. */
  readonly account: string;
  readonly nowMs: () => number;
}

/** What nats-server says of a connection that it asks about. */
interface Asked {
  readonly server: string;
  /** Made by the server for this connection. */
  readonly user: string;
  readonly password: string;
}

/** A pending answer of a control plane that has gone: nobody waits for it any longer. */
const answerWithinNs = 30e9;

/**
 * Decides who may connect to NATS as an agent, and what it may do there: nats-server asks (auth
 * callout, https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_callout).
 */
export class AgentSignIn {
  constructor(private readonly options: AgentSignInOptions) {}

  /** As nats-server's configuration names it. */
  get issuer(): string {
    return accountNkey(this.options.issuer.publicKey);
  }

  /** @returns the answer, and why it is no */
  async answer(request: string): Promise<{ jwt: string; refused?: string }> {
    const asked = askedIn(request);
    try {
      const headers = signInHeaders(asked.password);
      const node = await this.options.agents.senderOf(headers, natsConnect);
      return { jwt: this.response(asked, { jwt: this.user(asked, node) }) };
    } catch (error) {
      const refused = (error as Error).message;
      return { jwt: this.response(asked, { error: refused }), refused };
    }
  }

  private user({ user }: Asked, node: string): string {
    const { publish, subscribe } = subjectsOfAgent(node);
    const nats = {
      ...{ type: 'user', version: 2, subs: -1, data: -1, payload: -1 },
      ...{ pub: { allow: publish }, sub: { allow: subscribe } },
      resp: { max: 1, ttl: answerWithinNs },
    };
    return this.signed({ sub: user, aud: this.options.account, name: node, nats });
  }

  private response({ user, server }: Asked, decision: object): string {
    const nats = { ...decision, type: 'authorization_response', version: 2 };
    return this.signed({ sub: user, aud: server, nats });
  }

  private signed(claims: Parameters<typeof natsJwt>[2] & { name?: string }): string {
    return natsJwt(this.options.issuer, this.options.nowMs(), claims);
  }
}

/** @throws TypeError, SyntaxError for what no nats-server asks */
function askedIn(request: string): Asked {
  const { nats } = claimsIn(request) as { nats: Record<string, Record<string, unknown>> };
  const server = nats.server_id?.id;
  const user: unknown = nats.user_nkey;
  const password = nats.connect_opts?.pass ?? '';
  if (typeof server !== 'string' || typeof user !== 'string' || typeof password !== 'string') {
    throw new TypeError('this is no question of nats-server');
  }
  return { server, user, password };
}
