import type { IncomingMessage } from 'node:http';
import {
  Controller,
  Headers,
  HttpCode,
  Inject,
  Injectable,
  type OnModuleInit,
  Param,
  Post,
  Put,
  Query,
  Req,
  UseGuards,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ContentTooLong } from '#libs/content-store/checked-content.js';
import { DigestMismatch, isDigest } from '#libs/content-store/content-store.js';
import { InvalidRequest } from '../../app/json.js';
import { PushedTrees } from '../../app/pushed-trees.js';
import { StagingGuard } from './staging.guard.js';

/** Of a tree of some 5 million entries. */
const maxManifestBytes = 512 * 1024 ** 2;
const octets = 'application/octet-stream';

/** Leaves bodies of bytes to the routes, which read them as they come. */
@Injectable()
export class ByteBodies implements OnModuleInit {
  constructor(private readonly host: HttpAdapterHost) {}

  onModuleInit(): void {
    const fastify = this.host.httpAdapter.getInstance<FastifyInstance>();
    fastify.addContentTypeParser(octets, (_request, payload, done) => done(null, payload));
  }
}

/** Where staging servers bring content: what is lacking, the blobs, then the tree. */
@Controller('api/v1')
@UseGuards(StagingGuard)
export class StagingController {
  constructor(@Inject(PushedTrees) private readonly trees: PushedTrees) {}

  @Post('sites/:site/pushed/lacking')
  @HttpCode(200)
  async lacking(
    @Param('site') site: string,
    @Query('server') server: string | undefined,
    @Req() request: FastifyRequest,
  ) {
    return this.trees.lacking({ site, server }, await wholeBody(request));
  }

  @Put('sites/:site/pushed')
  async keep(
    @Param('site') site: string,
    @Query('server') server: string | undefined,
    @Req() request: FastifyRequest,
  ) {
    return this.trees.keep({ site, server }, await wholeBody(request));
  }

  /** What a tree is made of, without its content. */
  @Put('manifests')
  async describe(@Req() request: FastifyRequest) {
    return this.trees.describe(await wholeBody(request));
  }

  @Put('blobs/:digest')
  @HttpCode(204)
  async take(
    @Param('digest') digest: string,
    @Headers('content-length') length: string | undefined,
    @Req() request: FastifyRequest,
  ): Promise<void> {
    if (!isDigest(digest) || length === undefined) {
      throw new InvalidRequest(
        `${digest} cannot be uploaded so`,
        'give its SHA-256 and its length',
      );
    }
    try {
      await this.trees.take(digest, bodyOf(request), Number(length));
    } catch (error) {
      const isWrong = error instanceof DigestMismatch || error instanceof ContentTooLong;
      if (!isWrong) throw error;
      throw new InvalidRequest(error.message, 'push again', { cause: error });
    }
  }
}

/** @throws InvalidRequest */
function bodyOf({ body }: FastifyRequest): AsyncIterable<Uint8Array> {
  if (typeof body === 'object' && body !== null && Symbol.asyncIterator in body) {
    return body as IncomingMessage;
  }
  throw new InvalidRequest('the request has no body of bytes', `send it as ${octets}`);
}

async function wholeBody(request: FastifyRequest): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let received = 0;
  for await (const bytes of bodyOf(request)) {
    received += bytes.length;
    if (received > maxManifestBytes) {
      throw new InvalidRequest('the manifest is too large', 'split the site');
    }
    parts.push(bytes);
  }
  return Buffer.concat(parts);
}
