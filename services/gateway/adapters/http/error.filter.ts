import { create } from '@bufbuild/protobuf';
import {
  type ArgumentsHost,
  Catch,
  type ExceptionFilter,
  HttpException,
  Logger,
} from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { BlobNotFound } from '#libs/content-store/content-store.js';
import { DomainError, ErrorViewSchema } from '#libs/contracts/index.js';
import { LogUnavailable } from '#libs/event-log/event-log.js';
import { CommandRefusedError, ServiceUnavailable } from '#libs/nest-jetstream/service-client.js';
import { replyJson } from '../../app/json.js';

/** HTTP status by error code; other refusals are 422. */
const statusByCode: Readonly<Record<string, number>> = {
  InvalidRequest: 400,
  UnknownEventType: 400,
  NoStagingServer: 401,
  NoContentCredential: 403,
  UnsignedEvent: 401,
  WrongJoinToken: 403,
  AgentNotKnown: 401,
  UnknownRun: 404,
  UnknownSegment: 404,
  SegmentNameTaken: 409,
  CircularTree: 409,
  UnknownSite: 404,
  UnknownGroup: 404,
  UnknownJob: 404,
  UnknownList: 404,
  UnknownStartedRun: 404,
  UnknownTarget: 404,
  UnknownVersion: 404,
  UnknownCheckpoint: 404,
  BlobNotFound: 404,
  SiteExists: 409,
  GroupExists: 409,
  JobExists: 409,
  JobIsPaused: 409,
  CannotCancel: 409,
  NoRollout: 409,
  RunConflict: 409,
  RunIsOver: 409,
  TooLateToAbort: 409,
  NoDeadLetters: 404,
  UnknownWebhook: 404,
  RebuildUnderWay: 409,
  NobodyRetries: 503,
  CheckpointExists: 409,
  CheckpointIsPinned: 409,
  ContentNotPushed: 409,
  ContentStoreFull: 507,
  NodeIdentityTaken: 409,
  KeyWasRemoved: 403,
  UnknownNode: 404,
};

/** Every error leaves as the JSON of ErrorView; what nobody foresaw is logged and says nothing. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger(ErrorFilter.name);

  catch(error: unknown, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const { status, code, message, remedy } = this.describe(error);
    const view = create(ErrorViewSchema, { code, message, remedy });
    void reply.status(status).send(replyJson(ErrorViewSchema, view));
  }

  private describe(error: unknown) {
    if (error instanceof CommandRefusedError) {
      const { code, message, remedy } = error;
      return { status: statusByCode[code] ?? 422, code, message, remedy };
    }
    if (error instanceof DomainError) {
      const { name, message, remedy } = error;
      return { status: statusByCode[name] ?? 422, code: name, message, remedy };
    }
    if (error instanceof BlobNotFound) {
      const remedy = 'see that the digest is right; the content may have been collected';
      return { status: 404, code: 'BlobNotFound', message: error.message, remedy };
    }
    if (error instanceof ServiceUnavailable || error instanceof LogUnavailable) {
      const remedy = 'try again in a moment; /readyz says what is missing';
      return { status: 503, code: error.name, message: error.message, remedy };
    }
    if (error instanceof HttpException) {
      const { name, message } = error;
      return { status: error.getStatus(), code: name, message, remedy: '' };
    }
    this.logger.error(error instanceof Error ? error.stack : String(error));
    const message = 'the gateway failed to answer; its log says why';
    return { status: 500, code: 'InternalError', message, remedy: '' };
  }
}
