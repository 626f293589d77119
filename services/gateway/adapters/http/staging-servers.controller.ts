import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  Controller,
  HttpCode,
  Inject,
  type OnModuleDestroy,
  Param,
  Post,
  Req,
  Res,
  UseGuards,
} from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { LinkPolledSchema, LinkPollSchema } from '#libs/contracts/index.js';
import { InvalidRequest } from '../../app/json.js';
import type { Mailboxes } from '../../app/mailboxes.js';
import { requireStagingServer } from '../../app/pushed-trees.js';
import { STAGING_MAILBOXES } from '../../tokens.js';
import { StagingGuard } from './staging.guard.js';

/** Where staging servers wait for what runs ask of them: one long poll each. */
@Controller('api/v1/staging')
@UseGuards(StagingGuard)
export class StagingServersController implements OnModuleDestroy {
  constructor(@Inject(STAGING_MAILBOXES) private readonly mailboxes: Mailboxes) {}

  @Post(':server/poll')
  @HttpCode(200)
  async poll(
    @Param('server') server: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    requireStagingServer(server);
    const { body } = request;
    if (!(body instanceof Uint8Array)) {
      throw new InvalidRequest('the request has no body', 'send a LinkPoll of agent.proto');
    }
    const { answers, waitMs } = fromBinary(LinkPollSchema, body);
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    const requests = await this.mailboxes.poll(server, answers, waitMs, gone.signal);
    const polled = toBinary(LinkPolledSchema, create(LinkPolledSchema, { requests }));
    await reply.type('application/protobuf').send(Buffer.from(polled));
  }

  /** Polls that are held would keep the gateway from stopping. */
  onModuleDestroy(): void {
    this.mailboxes.close();
  }
}
