import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DescMessage, type MessageShape, toJson } from '@bufbuild/protobuf';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { contentTokenFile } from '#libs/keys/key-provider.js';
import { ApiClient } from '../client/api-client.js';

export const defaultUrl = 'http://127.0.0.1:7800';
/** Where `espalier up` keeps everything. */
export const defaultDataDir = 'espalier-data';

export interface CommonOptions {
  readonly url: string;
  readonly output: 'table' | 'json';
  readonly reason?: string;
}

/** Adds the options that every command of a client has, where it has none of that name itself. */
export function withClientOptions(command: Command): Command {
  if (!command.options.some(({ long }) => long === '--reason')) {
    command.addOption(new Option('--reason <text>', 'why; default: the command itself'));
  }
  return command
    .addOption(new Option('--url <url>', 'control plane').env('ESPALIER_URL').default(defaultUrl))
    .addOption(outputOption());
}

export function outputOption(): Option {
  return new Option('-o, --output <format>', 'how to print')
    .choices(['table', 'json'])
    .default('table');
}

export function clientOf(options: CommonOptions, token = ''): ApiClient {
  const command = ['espalier', ...process.argv.slice(2)].join(' ');
  return new ApiClient(options.url, options.reason ?? command, token);
}

const ownContentToken = join(defaultDataDir, 'keys', contentTokenFile);

/** For commands that read content. */
export function withContentToken(command: Command): Command {
  return command
    .option('--token-file <file>', 'the content token (or ESPALIER_CONTENT_TOKEN)')
    .addHelpText('after', `\nWithout one, ${ownContentToken} is read, where it is.`);
}

export function contentTokenOf({ tokenFile }: { readonly tokenFile?: string }): string {
  const { ESPALIER_CONTENT_TOKEN: token } = process.env;
  if (!tokenFile && (token || !existsSync(ownContentToken))) return token ?? '';
  return readFileSync(tokenFile ?? ownContentToken, 'utf8').trim();
}

/** Results go to stdout; everything else a command says goes to stderr. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Prints a message as JSON, with all its fields. */
export function printJson<Schema extends DescMessage>(
  schema: Schema,
  message: MessageShape<Schema>,
): void {
  print(JSON.stringify(toJson(schema, message, { alwaysEmitImplicit: true }), undefined, 2));
}

/** Parses a whole number that is an option's value. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('give a whole number');
  return Number(text);
}
