import { Readable } from 'node:stream';
import { Controller, Get, Headers, Inject, Param, Req, Res, UseGuards } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { onlyLocalHeader } from '#libs/content-store/adapters/fetching-store.js';
import {
  BlobNotFound,
  type ByteRange,
  type ContentStore,
} from '#libs/content-store/content-store.js';
import { requestedRange } from '#libs/content-store/http-range.js';
import { stridedBytes, stridedParts, strideIn } from '#libs/content-store/http-stride.js';
import { type LinkGate, weightOf } from '#libs/tree/link-gate.js';
import { InvalidRequest } from '../../app/json.js';
import { CONTENT_STORE, UPLINK } from '../../tokens.js';
import { ContentGuard } from './content.guard.js';

/** Bulk bytes by digest; immutable, so whoever may have them may keep them for ever. */
@Controller('blobs')
@UseGuards(ContentGuard)
export class BlobsController {
  constructor(
    @Inject(CONTENT_STORE) private readonly store: ContentStore,
    @Inject(UPLINK) private readonly uplink: LinkGate,
  ) {}

  @Get(':digest')
  async blob(
    @Param('digest') digest: string,
    @Headers('range') rangeHeader: string | undefined,
    @Headers(onlyLocalHeader) onlyLocal: string | undefined,
    @Req() { url }: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    if (!/^[0-9a-f]{64}$/.test(digest)) {
      throw new InvalidRequest(`${digest} is no SHA-256 digest`, 'give 64 lower-case hex digits');
    }
    // Another host that fetches from here must not be sent round in a circle.
    if (onlyLocal && !(await this.store.has(digest))) throw new BlobNotFound(digest);
    const sizeBytes = await this.store.sizeBytes(digest);
    const stride = strideIn(url);
    const range = requestedRange(stride ? undefined : rangeHeader, sizeBytes);
    reply.header('accept-ranges', 'bytes').header('etag', `"${digest}"`);
    reply.header('cache-control', 'private, max-age=31536000, immutable');
    if (range.kind === 'unsatisfiable' || (stride && stride.fromByte >= sizeBytes)) {
      await reply.status(416).header('content-range', `bytes */${sizeBytes}`).send();
      return;
    }
    const part = range.kind === 'part' ? range : { offset: 0, length: sizeBytes };
    if (range.kind === 'part') {
      const last = part.offset + part.length - 1;
      reply.status(206).header('content-range', `bytes ${part.offset}-${last}/${sizeBytes}`);
    }
    const length = stride ? stridedBytes(stride, sizeBytes) : part.length;
    reply.header('content-length', length).type('application/octet-stream');
    const pieces = this.inTurn(
      digest,
      sizeBytes,
      stride ? stridedParts(stride, sizeBytes) : [part],
    );
    await reply.send(Readable.from(pieces, { objectMode: false }));
  }

  /** A small assignment overtakes a large one; all together keep to the limit of the link. */
  private async *inTurn(
    digest: string,
    sizeBytes: number,
    parts: Iterable<ByteRange>,
  ): AsyncGenerator<Uint8Array> {
    for (const part of parts) {
      for await (const piece of this.store.read(digest, part)) {
        const passed = await this.uplink.pass(digest, weightOf(sizeBytes), piece.length);
        yield piece;
        passed();
      }
    }
  }
}
