import { Readable } from 'node:stream';
import { Controller, Get, Headers, Inject, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { EventLog } from '#libs/event-log/event-log.js';
import { openFeed } from '../../app/event-feed.js';
import { checkTypes, type EventFilter, type FeedEvent } from '../../app/event-filter.js';
import { InvalidRequest } from '../../app/json.js';
import { WHOLE_LOG } from '../../tokens.js';
import { sequenceOf } from './lists.controller.js';

/** The log for readers: one JSON event a line, or server-sent events for browsers. */
@Controller('api/v1/events')
export class EventsController {
  constructor(@Inject(WHOLE_LOG) private readonly log: EventLog) {}

  @Get()
  async events(
    @Query() query: Readonly<Record<string, string | undefined>>,
    @Headers('accept') accept: string | undefined,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const serverSent = accept?.includes('text/event-stream') ?? false;
    const feed = openFeed(this.log, {
      ...filterOf(query),
      afterSequence: await this.position(lastEventId ?? query.after),
      follow: query.follow === 'true' || serverSent,
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

/** @throws InvalidRequest, UnknownEventType */
function filterOf(query: Readonly<Record<string, string | undefined>>): EventFilter {
  const { run, site, node, actor } = query;
  const types = query.type?.split(',').filter((type) => type !== '');
  if (types) checkTypes(types);
  return {
    ...(run ? { run } : {}),
    ...(site ? { site } : {}),
    ...(node ? { node } : {}),
    ...(actor ? { actor } : {}),
    ...(types && types.length > 0 ? { types } : {}),
    ...(query.since ? { sinceMs: timeOf(query.since) } : {}),
    ...(query.until ? { untilMs: timeOf(query.until) } : {}),
  };
}

function timeOf(text: string): number {
  const timeMs = Date.parse(text);
  if (!Number.isNaN(timeMs)) return timeMs;
  throw new InvalidRequest(`${text} is no time`, 'give one such as 2026-01-31T12:00:00Z');
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
