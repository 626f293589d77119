import { create } from '@bufbuild/protobuf';
import type { NatsConnection } from '@nats-io/nats-core';
import { Body, Controller, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import type { Clock } from '#libs/clock/clock.js';
import {
  ListQuerySchema,
  ListReplySchema,
  RotateSegmentKeySchema,
  SegmentDetailSchema,
  SegmentKeyRotatedSchema,
  type SegmentView,
  subjects,
} from '#libs/contracts/index.js';
import type { ControlKeys } from '#libs/keys/key-provider.js';
import { ServiceClient } from '#libs/nest-jetstream/service-client.js';
import { CLOCK, NATS } from '#libs/nest-jetstream/tokens.js';
import { keyNoticeMs } from '../../app/enrolment.js';
import { parseBody, replyJson } from '../../app/json.js';
import { segmentDetail, UnknownSegment } from '../../app/segment-detail.js';
import { CONTROL_KEYS } from '../../tokens.js';
import { queryTimeoutMs } from './lists.controller.js';

const allSegments = 1_000;

/** One segment: how it is, and its key. */
@Controller('api/v1/segments')
export class SegmentsController {
  constructor(
    @Inject(ServiceClient) private readonly services: ServiceClient,
    @Inject(NATS) private readonly nats: NatsConnection,
    @Inject(CONTROL_KEYS) private readonly keys: ControlKeys,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Get(':segment')
  async detail(@Param('segment') name: string) {
    const ask = async (subject: string, timeout: number) => {
      const { data } = await this.nats.request(subject, undefined, { timeout });
      return data;
    };
    return replyJson(SegmentDetailSchema, await segmentDetail(name, await this.segments(), ask));
  }

  @Post(':segment/rotate-key')
  @HttpCode(200)
  async rotateKey(@Param('segment') name: string, @Body() body: unknown) {
    const { noticeMs } = parseBody(RotateSegmentKeySchema, body ?? {});
    const segments = await this.segments();
    if (!segments.some((segment) => segment.name === name)) throw new UnknownSegment(name);
    const nowMs = this.clock.nowMs();
    const useFromMs = nowMs + (Number(noticeMs) || keyNoticeMs);
    const key = await this.keys.rotateSegmentKey(name, nowMs, useFromMs);
    const useFrom = new Date(key.useFromMs).toISOString();
    const rotated = create(SegmentKeyRotatedSchema, { epoch: key.epoch, useFrom });
    return replyJson(SegmentKeyRotatedSchema, rotated);
  }

  private async segments(): Promise<readonly SegmentView[]> {
    const query = { kind: 'segments', limit: allSegments };
    const { list } = await this.services.request(
      subjects.command('reporting', 'List'),
      ListQuerySchema,
      ListReplySchema,
      query,
      queryTimeoutMs,
    );
    return list.case === 'segments' ? list.value.segments : [];
  }
}
