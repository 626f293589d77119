import { Readable } from 'node:stream';
import { Controller, Get, Headers, Inject, Param, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { onlyLocalHeader } from '#libs/content-store/adapters/fetching-store.js';
import { BlobNotFound, type ContentStore } from '#libs/content-store/content-store.js';
import { requestedRange } from '#libs/content-store/http-range.js';
import { type LinkGate, weightOf } from '#libs/tree/link-gate.js';
import { InvalidRequest } from '../../app/json.js';
import { CONTENT_STORE, UPLINK } from '../../tokens.js';

/** Bulk bytes by digest; immutable, so anybody may cache them for ever. */
@Controller('blobs')
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
    @Res() reply: FastifyReply,
  ): Promise<void> {
    if (!/^[0-9a-f]{64}$/.test(digest)) {
      throw new InvalidRequest(`${digest} is no SHA-256 digest`, 'give 64 lower-case hex digits');
    }
    // Another host that fetches from here must not be sent round in a circle.
    if (onlyLocal && !(await this.store.has(digest))) throw new BlobNotFound(digest);
    const sizeBytes = await this.store.sizeBytes(digest);
    const range = requestedRange(rangeHeader, sizeBytes);
    reply.header('accept-ranges', 'bytes').header('etag', `"${digest}"`);
    reply.header('cache-control', 'public, max-age=31536000, immutable');
    if (range.kind === 'unsatisfiable') {
      await reply.status(416).header('content-range', `bytes */${sizeBytes}`).send();
      return;
    }
    const part = range.kind === 'part' ? range : { offset: 0, length: sizeBytes };
    if (range.kind === 'part') {
      const last = part.offset + part.length - 1;
      reply.status(206).header('content-range', `bytes ${part.offset}-${last}/${sizeBytes}`);
    }
    reply.header('content-length', part.length).type('application/octet-stream');
    const pieces = this.inTurn(digest, sizeBytes, this.store.read(digest, part));
    await reply.send(Readable.from(pieces, { objectMode: false }));
  }

  /** A small assignment overtakes a large one; all together keep to the limit of the link. */
  private async *inTurn(
    digest: string,
    sizeBytes: number,
    pieces: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces) {
      const passed = await this.uplink.pass(digest, weightOf(sizeBytes), piece.length);
      yield piece;
      passed();
    }
  }
}
