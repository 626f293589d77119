import { create, toJson } from '@bufbuild/protobuf';
import type { Command } from 'commander';
import {
  RegisterWebhookSchema,
  ResendWebhookSchema,
  WebhookListSchema,
  WebhookResentSchema,
  WebhookSecretSchema,
} from '#libs/contracts/index.js';
import { renderTable } from '../output/table.js';
import { clientOf, print, printJson, wholeNumber, withClientOptions } from './context.js';

const path = '/api/v1/webhooks';
const pathOf = (name: string) => `${path}/${encodeURIComponent(name)}`;
const collect = (value: string, before: string[]) => [...before, value];

/** `espalier webhook create|list|secret|disable|enable|delete|resend`. */
export function webhookCommand(program: Command): void {
  const webhook = program.command('webhook').description('events posted to a URL, signed');
  createCommand(webhook);
  listCommand(webhook);
  secretCommand(webhook);
  changeCommand(webhook, 'disable', 'post nothing any more');
  changeCommand(webhook, 'enable', 'post again, beginning with what waits');
  changeCommand(webhook, 'delete', 'forget it, with all that waits');
  resendCommand(webhook);
}

function createCommand(webhook: Command): void {
  withClientOptions(
    webhook
      .command('create')
      .description('post events to a URL from now on; prints the secret of its signatures')
      .argument('<name>')
      .requiredOption('--to <url>', 'where')
      .option('--type <name>', 'only events of this type; may be repeated', collect, [])
      .option('--site <name>', 'only events that name this site; may be repeated', collect, [])
      .option('--format <format>', 'cloudevents or cdevents', 'cloudevents'),
  ).action(async (name, options) => {
    const { to: url, type: types, site: sites, format } = options;
    const command = create(RegisterWebhookSchema, { webhook: name, url, types, sites, format });
    const body = toJson(RegisterWebhookSchema, command);
    const made = await clientOf(options).post(path, WebhookSecretSchema, body);
    if (options.output === 'json') printJson(WebhookSecretSchema, made);
    else print(`webhook ${name} posts to ${url}, signed with ${made.secret}`);
  });
}

function listCommand(webhook: Command): void {
  withClientOptions(webhook.command('list').description('all webhooks')).action(async (options) => {
    const list = await clientOf(options).get(path, WebhookListSchema);
    if (options.output === 'json') return printJson(WebhookListSchema, list);
    print(
      renderTable(
        [
          ['webhook', (row) => row.webhook],
          ['url', (row) => row.url],
          ['events', (row) => row.types.join(' ') || 'all'],
          ['sites', (row) => row.sites.join(' ') || 'all'],
          ['status', (row) => row.status],
          ['waiting', (row) => String(row.waiting)],
          ['reason', (row) => row.reason],
        ],
        list.webhooks,
        'no webhooks',
      ),
    );
  });
}

function secretCommand(webhook: Command): void {
  withClientOptions(
    webhook.command('secret').description('what its receiver verifies with').argument('<name>'),
  ).action(async (name, options) => {
    const found = await clientOf(options).get(`${pathOf(name)}/secret`, WebhookSecretSchema);
    if (options.output === 'json') printJson(WebhookSecretSchema, found);
    else print(found.secret);
  });
}

function changeCommand(
  webhook: Command,
  verb: 'disable' | 'enable' | 'delete',
  description: string,
): void {
  withClientOptions(webhook.command(verb).description(description).argument('<name>')).action(
    async (name, options) => {
      const client = clientOf(options);
      if (verb === 'delete') await client.send('DELETE', pathOf(name));
      else await client.send('POST', `${pathOf(name)}/${verb}`);
      print(options.output === 'json' ? JSON.stringify({ webhook: name }) : `${name}: ${verb}d`);
    },
  );
}

function resendCommand(webhook: Command): void {
  withClientOptions(
    webhook
      .command('resend')
      .description('post events again, under the ids that they have')
      .argument('<name>')
      .requiredOption('--after <sequence>', 'events after this place in the log', wholeNumber)
      .option('--until <sequence>', 'and up to this one', wholeNumber, 0),
  ).action(async (name, options) => {
    const command = create(ResendWebhookSchema, {
      afterSequence: BigInt(options.after),
      untilSequence: BigInt(options.until),
    });
    const body = toJson(ResendWebhookSchema, command);
    const resent = await clientOf(options).post(
      `${pathOf(name)}/resend`,
      WebhookResentSchema,
      body,
    );
    if (options.output === 'json') printJson(WebhookResentSchema, resent);
    else print(`${resent.delivered} delivered, ${resent.failed} failed`);
  });
}
