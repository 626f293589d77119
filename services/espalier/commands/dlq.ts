import type { Command } from 'commander';
import {
  DeadLetterDetailSchema,
  DeadLettersListSchema,
  DeadLettersRetriedSchema,
} from '#libs/contracts/index.js';
import { exitCodes } from '../exit-codes.js';
import { renderTable } from '../output/table.js';
import { clientOf, print, printJson, withClientOptions } from './context.js';

const pathOf = (consumer: string, aggregate: string) =>
  `/api/v1/dead-letters/${encodeURIComponent(consumer)}/${encodeURIComponent(aggregate)}`;

/** `espalier dlq list|show|retry`. */
export function dlqCommand(program: Command): void {
  const dlq = program
    .command('dlq')
    .description(
      'events that could not be handled; they wait, with what follows of their aggregate',
    );
  listCommand(dlq);
  showCommand(dlq);
  retryCommand(dlq);
}

function listCommand(dlq: Command): void {
  withClientOptions(dlq.command('list').description('all that waits')).action(async (options) => {
    const list = await clientOf(options).get('/api/v1/dead-letters', DeadLettersListSchema);
    if (options.output === 'json') return printJson(DeadLettersListSchema, list);
    print(
      renderTable(
        [
          ['consumer', ({ consumer }) => consumer],
          ['aggregate', ({ aggregate }) => aggregate],
          ['waiting', ({ letters }) => String(letters)],
          ['first', ({ sequence }) => String(sequence)],
          ['since', ({ since }) => since],
          ['reason', ({ reason }) => reason],
        ],
        list.deadLetters,
        'no dead letters',
      ),
    );
  });
}

function showCommand(dlq: Command): void {
  withClientOptions(
    dlq
      .command('show')
      .description('the events of one aggregate that wait, as the log holds them')
      .argument('<consumer>')
      .argument('<aggregate>'),
  ).action(async (consumer, aggregate, options) => {
    const path = pathOf(consumer, aggregate);
    const detail = await clientOf(options).get(path, DeadLetterDetailSchema);
    if (options.output === 'json') return printJson(DeadLetterDetailSchema, detail);
    for (const { sequence, type, attempts, reason, body } of detail.letters) {
      print(`${sequence}  ${type}  tried ${attempts} times  ${reason}\n${body}`);
    }
  });
}

function retryCommand(dlq: Command): void {
  withClientOptions(
    dlq
      .command('retry')
      .description('handle the events of one aggregate again, in their order')
      .argument('<consumer>')
      .argument('<aggregate>'),
  ).action(async (consumer, aggregate, options) => {
    const path = `${pathOf(consumer, aggregate)}/retry`;
    const retried = await clientOf(options).post(path, DeadLettersRetriedSchema);
    if (options.output === 'json') printJson(DeadLettersRetriedSchema, retried);
    else if (retried.problem) print(`it fails again: ${retried.problem}`);
    else print(`${retried.handled} events handled`);
    if (retried.problem) process.exitCode = exitCodes.error;
  });
}
