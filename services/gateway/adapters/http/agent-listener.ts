import { createServer, type Server } from 'node:https';
import {
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import type { Cancel, Clock } from '#libs/clock/clock.js';
import { listenerOptions } from '#libs/fleet-http/adapters/tls-listener.js';
import type { ControlKeys } from '#libs/keys/key-provider.js';
import type { ServiceConfig } from '#libs/nest-jetstream/service.js';
import { CLOCK, SERVICE_CONFIG } from '#libs/nest-jetstream/tokens.js';
import { agentHttpsPort } from '../../config.js';
import { CONTROL_KEYS } from '../../tokens.js';

/** Certificates live for days. */
const renewEveryMs = 12 * 3_600_000;

/**
 * The same routes over HTTPS, for agents. Clients may show a certificate (`ContentGuard` looks for
 * it). New agents have none yet, and linked ones sign every request.
 */
@Injectable()
export class AgentListener implements OnApplicationBootstrap, OnModuleDestroy {
  private server: Server | undefined;
  private cancelRenewal: Cancel = () => undefined;

  constructor(
    private readonly host: HttpAdapterHost,
    @Inject(CONTROL_KEYS) private readonly keys: ControlKeys,
    @Inject(SERVICE_CONFIG) private readonly config: ServiceConfig,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const port = agentHttpsPort(process.env);
    if (port === undefined || this.config.httpPort === undefined) return;
    const fastify = this.host.httpAdapter.getInstance<FastifyInstance>();
    await fastify.ready();
    const server = createServer(await this.options(), (request, response) => {
      fastify.routing(request, response);
    });
    this.server = server;
    this.renewLater();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, this.config.httpHost, resolve);
    });
  }

  onModuleDestroy(): void {
    this.cancelRenewal();
    this.server?.close();
    this.server?.closeAllConnections();
  }

  private renewLater(): void {
    this.cancelRenewal = this.clock.schedule(renewEveryMs, async () => {
      this.server?.setSecureContext(await this.options());
      this.renewLater();
    });
  }

  private async options() {
    return listenerOptions(await this.keys.tlsIdentity(this.clock.nowMs()));
  }
}
