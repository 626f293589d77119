import type { NatsConnection, Subscription } from '@nats-io/nats-core';
import {
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import { LOGGER, NATS } from '#libs/nest-jetstream/tokens.js';
import { type Logger, reasonOf } from '#libs/telemetry/logger.js';
import { AgentSignIn } from '../app/agent-sign-in.js';

/** Where nats-server asks who may connect. */
const subject = '$SYS.REQ.USER.AUTH';

/** Answers nats-server; any gateway does. */
@Injectable()
export class NatsSignIns implements OnApplicationBootstrap, OnModuleDestroy {
  private subscription: Subscription | undefined;

  constructor(
    @Inject(NATS) private readonly nats: NatsConnection,
    @Inject(AgentSignIn) private readonly signIn: AgentSignIn,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.logger.info('agents sign in to NATS by auth callout', { issuer: this.signIn.issuer });
    this.subscription = this.nats.subscribe(subject, {
      queue: 'gateway',
      callback: (error, message) => {
        if (error) this.logger.warn('agents cannot sign in to NATS', { reason: error.message });
        else void this.answer(message.string(), (jwt) => message.respond(jwt));
      },
    });
  }

  onModuleDestroy(): void {
    this.subscription?.unsubscribe();
  }

  private async answer(request: string, respond: (jwt: string) => void): Promise<void> {
    try {
      const { jwt, refused } = await this.signIn.answer(request);
      if (refused) this.logger.info('an agent is not let in by NATS', { reason: refused });
      respond(jwt);
    } catch (error) {
      this.logger.warn('a question about a connection to NATS', { reason: reasonOf(error) });
    }
  }
}
