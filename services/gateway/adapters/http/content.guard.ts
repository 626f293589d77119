import {
  type CanActivate,
  type ExecutionContext,
  Inject,
  Injectable,
  type OnModuleInit,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { DomainError } from '#libs/contracts/index.js';
import { keyShown, showsCertificate } from '#libs/fleet-http/adapters/tls-listener.js';
import type { ControlKeys } from '#libs/keys/key-provider.js';
import { sameSecret } from '#libs/keys/same-secret.js';
import { AgentNotKnown, AgentRequests } from '../../app/agent-requests.js';
import { Roster } from '../../app/roster.js';
import { CONTROL_KEYS } from '../../tokens.js';
import { bearerToken } from './bearer-token.js';

/** Thrown for content asked for by nobody who may have it. */
export class NoContentCredential extends DomainError {
  override readonly name = 'NoContentCredential';
  constructor() {
    super(
      'content is for enrolled agents and for who shows the content token',
      'give the content of keys/content-token, by --token-file or ESPALIER_CONTENT_TOKEN',
    );
  }
}

/**
 * Content is for agents of the fleet, who show their certificate or, where a proxy ends TLS, sign
 * the request; and for hosts and people who have the content token.
 */
@Injectable()
export class ContentGuard implements CanActivate, OnModuleInit {
  constructor(
    @Inject(CONTROL_KEYS) private readonly keys: Pick<ControlKeys, 'contentToken'>,
    @Inject(AgentRequests) private readonly agents: AgentRequests,
    @Inject(Roster) private readonly roster: Pick<Roster, 'isRemoved'>,
  ) {}

  /** The token is there to be copied before anybody shows it. */
  async onModuleInit(): Promise<void> {
    await this.keys.contentToken();
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { raw, headers, method, url } = context.switchToHttp().getRequest<FastifyRequest>();
    if (showsCertificate(raw)) {
      const key = keyShown(raw);
      if (key && (await this.roster.isRemoved(key))) throw new AgentNotKnown('it was removed');
      return true;
    }
    if (headers['signature-input'] !== undefined) {
      await this.agents.senderOf(headers, { method, path: url, body: new Uint8Array() });
      return true;
    }
    if (!sameSecret(bearerToken(headers), await this.keys.contentToken()))
      throw new NoContentCredential();
    return true;
  }
}
