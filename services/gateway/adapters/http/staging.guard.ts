import {
  type CanActivate,
  type ExecutionContext,
  Inject,
  Injectable,
  type OnModuleInit,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { DomainError } from '#libs/contracts/index.js';
import type { ControlKeys } from '#libs/keys/key-provider.js';
import { sameSecret } from '#libs/keys/same-secret.js';
import { CONTROL_KEYS } from '../../tokens.js';
import { bearerToken } from './bearer-token.js';

/** Thrown for an upload by nobody who may. */
export class NoStagingServer extends DomainError {
  override readonly name = 'NoStagingServer';
  constructor() {
    super(
      'content is taken only from staging servers that show the staging token',
      'give the content of keys/staging-token, by --token-file or ESPALIER_STAGING_TOKEN',
    );
  }
}

/** Lets in who shows the staging token (`Authorization: Bearer ...`), before a byte is read. */
@Injectable()
export class StagingGuard implements CanActivate, OnModuleInit {
  constructor(@Inject(CONTROL_KEYS) private readonly keys: Pick<ControlKeys, 'stagingToken'>) {}

  /** The token is there to be copied before anybody shows it. */
  async onModuleInit(): Promise<void> {
    await this.keys.stagingToken();
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { headers } = context.switchToHttp().getRequest<FastifyRequest>();
    if (!sameSecret(bearerToken(headers), await this.keys.stagingToken()))
      throw new NoStagingServer();
    return true;
  }
}
