import { Readable } from 'node:stream';
import { Controller, Get, Headers, Inject, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { EventLog } from '#libs/event-log/event-log.js';
import { EVENT_LOG } from '#libs/nest-jetstream/tokens.js';
import { type FeedEvent, openFeed } from '../../app/event-feed.js';
import { sequenceOf } from './lists.controller.js';

/** The log for readers: one JSON event a line, or server-sent events for browsers. */
@Controller('api/v1/events')
export class EventsController {
  constructor(@Inject(EVENT_LOG) private readonly log: EventLog) {}

  @Get()
  async events(
    @Query('run') runId: string | undefined,
    @Query('after') after: string | undefined,
    @Query('follow') follow: string | undefined,
    @Headers('accept') accept: string | undefined,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const serverSent = accept?.includes('text/event-stream') ?? false;
    const afterSequence = await this.position(lastEventId ?? after);
    const feed = openFeed(this.log, {
      ...(runId ? { runId } : {}),
      afterSequence,
      follow: follow === 'true' || serverSent,
    });
    reply.raw.on('close', () => void feed.close());
    reply.header('cache-control', 'no-store').header('x-accel-buffering', 'no');
    reply.type(serverSent ? 'text/event-stream' : 'application/x-ndjson');
    const format = serverSent ? serverSentEvent : jsonLine;
    await reply.send(Readable.from(lines(feed.events, format, serverSent)));
  }

  /** `now` starts at the end of the log. */
  private async position(after: string | undefined): Promise<number> {
    return after === 'now' ? this.log.lastSequence() : Number(sequenceOf(after));
  }
}

/** The first line at once: a browser counts a stream as open only when bytes arrive. */
async function* lines(
  events: AsyncIterable<FeedEvent>,
  format: (event: FeedEvent) => string,
  greet: boolean,
): AsyncGenerator<string> {
  if (greet) yield ': open\n\n';
  for await (const event of events) yield format(event);
}

function jsonLine(event: FeedEvent): string {
  return `${JSON.stringify(event)}\n`;
}

function serverSentEvent(event: FeedEvent): string {
  return `id: ${event.sequence}\ndata: ${JSON.stringify(event)}\n\n`;
}
