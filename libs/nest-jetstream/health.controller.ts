import type { NatsConnection } from '@nats-io/nats-core';
import { Controller, Get, HttpException, Inject, Optional, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Telemetry } from '#libs/telemetry/adapters/setup.js';
import { Readiness, type ReadinessReport } from './readiness.js';
import { NATS, TELEMETRY } from './tokens.js';

/** What an orchestrator asks: is the process alive, should it get work. */
@Controller()
export class HealthController {
  constructor(
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(NATS) private readonly nats: NatsConnection,
    @Optional() @Inject(TELEMETRY) private readonly telemetry: Telemetry | undefined,
  ) {}

  @Get('livez')
  live(): { live: true } {
    // NATS refused us for good, e.g. revoked credentials: only a new process can help.
    if (this.nats.isClosed()) throw new HttpException({ live: false }, 503);
    return { live: true };
  }

  /** For Prometheus. */
  @Get('metrics')
  metrics(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const scrape = this.telemetry?.scrape;
    if (!scrape) throw new HttpException('metrics are off: OTEL_METRICS_EXPORTER=prometheus', 404);
    reply.hijack();
    scrape(request.raw, reply.raw);
  }

  @Get('readyz')
  async ready(): Promise<ReadinessReport> {
    const report = await this.readiness.report();
    if (!report.ready) throw new HttpException(report, 503);
    return report;
  }
}
