import { create, toJson } from '@bufbuild/protobuf';
import type { Command } from 'commander';
import {
  ArchiveClosedRunsSchema,
  ReadModelsRebuiltSchema,
  RunsArchivedSchema,
} from '#libs/contracts/index.js';
import { formatBytes, formatDuration } from '../output/units.js';
import { clientOf, print, printJson, wholeNumber, withClientOptions } from './context.js';

/** `espalier read-models rebuild` and `espalier archive`. */
export function operationsCommands(program: Command): void {
  const readModels = program.command('read-models').description('what queries are answered from');
  withClientOptions(
    readModels
      .command('rebuild')
      .description('build them anew from the log, beside the live ones, and switch'),
  ).action(async (options) => {
    const path = '/api/v1/read-models/rebuild';
    const rebuilt = await clientOf(options).post(path, ReadModelsRebuiltSchema);
    if (options.output === 'json') return printJson(ReadModelsRebuiltSchema, rebuilt);
    const { sequence, durationMs, equal } = rebuilt;
    print(`rebuilt up to event ${sequence} in ${formatDuration(durationMs)}`);
    if (equal !== 'unknown') print(`row for row as before: ${equal}`);
  });
  archiveCommand(program);
}

function archiveCommand(program: Command): void {
  withClientOptions(
    program
      .command('archive')
      .description('move the events of runs that are over out of NATS into archive files')
      .option('--older-than <days>', 'runs that ended so long ago', wholeNumber, 90)
      .option('--dry-run', 'only say what would be moved'),
  ).action(async (options) => {
    const olderThanMs = BigInt(options.olderThan) * 86_400_000n;
    const command = create(ArchiveClosedRunsSchema, { olderThanMs, dryRun: options.dryRun });
    const body = toJson(ArchiveClosedRunsSchema, command);
    const archived = await clientOf(options).post('/api/v1/archive', RunsArchivedSchema, body);
    if (options.output === 'json') return printJson(RunsArchivedSchema, archived);
    const { runs, events, bytes, file } = archived;
    const moved = options.dryRun ? 'would be moved' : `moved to ${file || 'nowhere'}`;
    print(`${runs} runs, ${events} events, ${formatBytes(bytes)} ${moved}`);
  });
}
