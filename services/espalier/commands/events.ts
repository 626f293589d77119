import type { Command } from 'commander';
import type { FeedEvent } from '../client/api-client.js';
import { clientOf, print, withClientOptions } from './context.js';

/** `espalier events`. */
export function eventsCommand(program: Command): void {
  withClientOptions(
    program
      .command('events')
      .description('read the event log')
      .option('--run <id>', 'only events of this run')
      .option('--after <sequence>', 'only events after this place in the log', '0')
      .option('--follow', 'wait for events to come'),
  ).action(async (options) => {
    const query = {
      after: options.after,
      follow: String(options.follow ?? false),
      ...(options.run ? { run: options.run } : {}),
    };
    let count = 0;
    for await (const event of clientOf(options).events(query)) {
      count++;
      print(options.output === 'json' ? JSON.stringify(event) : eventLine(event));
    }
    if (count === 0 && options.output === 'table') print('no events');
  });
}

function eventLine(event: FeedEvent): string {
  const type = event.type.slice(event.type.lastIndexOf('.') + 1);
  const aggregate = `${event.aggregatetype} ${event.subject}`;
  const place = String(event.sequence).padStart(6);
  return [place, event.time, type.padEnd(22), aggregate, `by ${event.actor}`].join('  ');
}
