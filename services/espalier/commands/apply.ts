import { readFile } from 'node:fs/promises';
import { create, type JsonObject, type MessageInitShape, toJson } from '@bufbuild/protobuf';
import type { Command } from 'commander';
import {
  type AppliedFile,
  type AppliedFileSchema,
  ApplyResultSchema,
  ConfigureSiteSchema,
} from '#libs/contracts/index.js';
import { differences } from '../apply/differences.js';
import { objectsIn } from '../apply/object-file.js';
import { presentState } from '../apply/present-state.js';
import { clientOf, print, printJson, withClientOptions } from './context.js';

/** `espalier apply -f FILE`. */
export function applyCommand(program: Command): void {
  withClientOptions(
    program
      .command('apply')
      .description('make sites, groups and jobs as YAML files say, and tell what that changes')
      .requiredOption('-f, --file <file...>', 'files of YAML; several objects apart by ---')
      .option('--dry-run', 'only say what would change'),
  ).action(async (options) => {
    const client = clientOf(options);
    const texts = await Promise.all(
      (options.file as string[]).map(async (path) => ({
        path,
        text: await readFile(path, 'utf8'),
      })),
    );
    const wanted = texts.flatMap(({ path, text }) => objectsIn(text, path));
    const objects: MessageInitShape<typeof AppliedFileSchema>[] = [];
    for (const object of wanted) {
      const { kind, name, body, configuration } = object;
      const present = await presentState(client, object);
      const changes = differences(present?.settings, object.settings);
      const action = !present ? 'created' : changes.length > 0 ? 'changed' : 'unchanged';
      if (action !== 'unchanged' && !options.dryRun) {
        const { method, path } = object.route(present !== undefined);
        await client.send(method, path, body as JsonObject);
        if (configuration) {
          const sites = `/api/v1/sites/${encodeURIComponent(name)}/configuration`;
          await client.send('POST', sites, toJson(ConfigureSiteSchema, configuration));
        }
      }
      objects.push({ kind, name, action, changes });
    }
    const dryRun = options.dryRun ?? false;
    const result = create(ApplyResultSchema, { dryRun, objects });
    if (options.output === 'json') printJson(ApplyResultSchema, result);
    else print(textOf(result.objects, dryRun));
  });
}

function textOf(objects: readonly AppliedFile[], dryRun: boolean): string {
  if (objects.length === 0) return 'the files name no sites, groups or jobs';
  return objects
    .flatMap(({ kind, name, action, changes }) => [
      `${kind.toLowerCase()} ${name} ${wordsOf(action, dryRun)}`,
      ...changes.map(({ path, from, to }) => {
        if (from === '') return `  + ${path}: ${to}`;
        return to === '' ? `  - ${path}: ${from}` : `  ~ ${path}: ${from} -> ${to}`;
      }),
    ])
    .join('\n');
}

function wordsOf(action: string, dryRun: boolean): string {
  if (action === 'unchanged') return 'is as it should be';
  return dryRun ? `would be ${action}` : `is ${action}`;
}
