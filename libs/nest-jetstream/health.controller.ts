import type { NatsConnection } from '@nats-io/nats-core';
import { Controller, Get, HttpException, Inject } from '@nestjs/common';
import { Readiness, type ReadinessReport } from './readiness.js';
import { NATS } from './tokens.js';

/** What an orchestrator asks: is the process alive, should it get work. */
@Controller()
export class HealthController {
  constructor(
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(NATS) private readonly nats: NatsConnection,
  ) {}

  @Get('livez')
  live(): { live: true } {
    // NATS refused us for good, e.g. revoked credentials: only a new process can help.
    if (this.nats.isClosed()) throw new HttpException({ live: false }, 503);
    return { live: true };
  }

  @Get('readyz')
  async ready(): Promise<ReadinessReport> {
    const report = await this.readiness.report();
    if (!report.ready) throw new HttpException(report, 503);
    return report;
  }
}
