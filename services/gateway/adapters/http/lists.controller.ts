import { Controller, Get, Inject, Param, Query } from '@nestjs/common';
import {
  AssignmentListSchema,
  GroupListSchema,
  ListQuerySchema,
  ListReplySchema,
  NodeListSchema,
  RunListSchema,
  SegmentListSchema,
  SiteListSchema,
  subjects,
} from '#libs/contracts/index.js';
import { ServiceClient } from '#libs/nest-jetstream/service-client.js';
import { InvalidRequest, replyJson } from '../../app/json.js';

export const queryTimeoutMs = 8_000;

/** Lists of everything the read models hold. */
@Controller('api/v1')
export class ListsController {
  constructor(@Inject(ServiceClient) private readonly services: ServiceClient) {}

  @Get(':kind')
  async list(
    @Param('kind') kind: string,
    @Query('limit') limit: string,
    @Query('atSequence') atSequence: string,
  ) {
    const query = { kind, limit: wholeNumber(limit), atSequence: sequenceOf(atSequence) };
    const subject = subjects.command('reporting', 'List');
    const { list } = await this.services.request(
      subject,
      ListQuerySchema,
      ListReplySchema,
      query,
      queryTimeoutMs,
    );
    switch (list.case) {
      case 'sites':
        return replyJson(SiteListSchema, list.value);
      case 'groups':
        return replyJson(GroupListSchema, list.value);
      case 'nodes':
        return replyJson(NodeListSchema, list.value);
      case 'segments':
        return replyJson(SegmentListSchema, list.value);
      case 'runs':
        return replyJson(RunListSchema, list.value);
      case 'assignments':
        return replyJson(AssignmentListSchema, list.value);
      case undefined:
        return {};
    }
  }
}

/** A log sequence from a query parameter; absent is 0. @throws InvalidRequest */
export function sequenceOf(text: string | undefined): bigint {
  return BigInt(wholeNumber(text));
}

function wholeNumber(text: string | undefined): number {
  if (text === undefined || text === '') return 0;
  if (!/^\d{1,15}$/.test(text)) {
    throw new InvalidRequest(`${text} is not a number`, 'give a whole number of up to 15 digits');
  }
  return Number(text);
}
