import {
  type CanActivate,
  type ExecutionContext,
  Inject,
  Injectable,
  type RawBodyRequest,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Webhook } from 'standardwebhooks';
import { DomainError } from '#libs/contracts/index.js';
import { INBOUND_SECRETS } from '../../tokens.js';

/** Thrown for an event from outside that nobody signed who may. */
export class UnsignedEvent extends DomainError {
  override readonly name = 'UnsignedEvent';
  constructor(reason: string) {
    super(
      `the event is not taken: ${reason}`,
      'sign it by Standard Webhooks with a secret of ESPALIER_INBOUND_WEBHOOK_SECRETS',
    );
  }
}

/**
 * Where secrets are configured, lets in only events that are signed with one of them, by Standard
 * Webhooks: over the id, the time (at most five minutes off) and the body as it was sent.
 */
@Injectable()
export class SignedEventGuard implements CanActivate {
  private readonly verifiers: readonly Webhook[];

  constructor(@Inject(INBOUND_SECRETS) secrets: readonly string[]) {
    this.verifiers = secrets.map((secret) => new Webhook(secret));
  }

  canActivate(context: ExecutionContext): boolean {
    if (this.verifiers.length === 0) return true;
    const request = context.switchToHttp().getRequest<RawBodyRequest<FastifyRequest>>();
    const headers = request.headers as Record<string, string>;
    let reason = '';
    for (const verifier of this.verifiers) {
      try {
        verifier.verify(request.rawBody ?? '', headers, { jsonParse: false });
        return true;
      } catch (error) {
        reason = (error as Error).message;
      }
    }
    throw new UnsignedEvent(reason);
  }
}
