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
      .option('--site <name>', 'only events of this site and its runs')
      .option('--node <name>', 'only events that name this server, or that it caused')
      .option('--actor <actor>', 'only events of this actor, or of all that begin so: agent:*')
      .option('--type <names>', 'only events of these types, separated by commas')
      .option('--since <time>', 'only events from this time on, e.g. 2026-01-31T12:00:00Z')
      .option('--until <time>', 'only events up to this time')
      .option('--after <sequence>', 'only events after this place in the log, or now', '0')
      .option('--follow', 'wait for events to come'),
  ).action(async (options) => {
    const query = {
      after: options.after,
      follow: String(options.follow ?? false),
      ...chosen(options),
    };
    let count = 0;
    for await (const event of clientOf(options).events(query)) {
      count++;
      print(options.output === 'json' ? JSON.stringify(event) : eventLine(event));
    }
    if (count === 0 && options.output === 'table') print('no events');
  });
}

const filters = ['run', 'site', 'node', 'actor', 'type', 'since', 'until'] as const;

function chosen(options: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    filters.flatMap((name) => (options[name] ? [[name, options[name]]] : [])),
  );
}

function eventLine(event: FeedEvent): string {
  const type = event.type.slice(event.type.lastIndexOf('.') + 1);
  const aggregate = `${event.aggregatetype} ${event.subject}`;
  const place = String(event.sequence).padStart(6);
  return [place, event.time, type.padEnd(22), aggregate, `by ${event.actor}`].join('  ');
}
