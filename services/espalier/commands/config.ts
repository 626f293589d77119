import { create, toJson } from '@bufbuild/protobuf';
import { type Command, InvalidArgumentError } from 'commander';
import {
  type ConfigurationValue,
  ConfigureSiteSchema,
  DomainError,
  SiteListSchema,
} from '#libs/contracts/index.js';
import { type Column, renderTable } from '../output/table.js';
import { type CommonOptions, clientOf, print, withClientOptions } from './context.js';

class NoSuchSite extends DomainError {
  override readonly name = 'NoSuchSite';
  constructor(site: string) {
    super(`there is no site ${site}`, 'espalier get sites shows them');
  }
}

const columns: readonly Column<ConfigurationValue>[] = [
  ['file', ({ path }) => path],
  ['key', ({ key }) => key],
  ['value', ({ value }) => value],
  ['set at', ({ setAtMs }) => new Date(Number(setAtMs)).toISOString()],
];

/** `espalier config set|unset|list`. */
export function configCommand(program: Command): void {
  const config = program
    .command('config')
    .description("values in a site's configuration files, on all of its servers");
  withClientOptions(
    config
      .command('set')
      .description('set values; the next publication brings them to the servers')
      .argument('<site>')
      .argument('<file>', 'JSON, YAML, INI or env, by its extension')
      .argument('<key=value...>', 'a key is NAME.NAME, in INI SECTION.NAME, in env NAME'),
  ).action(async (site, path, given: string[], options) => {
    const set = given.map((text) => ({ path, ...keyAndValue(text) }));
    await send(options, site, { set });
    say(
      options,
      site,
      `${path} of ${site} has ${countOf(set.length)} from the next publication on`,
    );
  });
  withClientOptions(
    config
      .command('unset')
      .description('take values back: the file has what is staged again')
      .argument('<site>')
      .argument('<file>')
      .argument('<key...>'),
  ).action(async (site, path, keys: string[], options) => {
    await send(options, site, { unset: keys.map((key) => ({ path, key })) });
    say(
      options,
      site,
      `${path} of ${site} loses ${countOf(keys.length)} with the next publication`,
    );
  });
  withClientOptions(
    config.command('list').description('the values of a site').argument('<site>'),
  ).action(async (name, options) => {
    const { sites } = await clientOf(options).get('/api/v1/sites', SiteListSchema);
    const site = sites.find((each) => each.name === name);
    if (!site) throw new NoSuchSite(name);
    const values = site.policy?.configuration ?? [];
    if (options.output === 'table') {
      print(renderTable(columns, values, `no values; espalier config set ${name} FILE KEY=VALUE`));
    } else {
      const shown = values.map(({ $typeName: _, setAtMs, ...value }) => ({
        ...value,
        setAt: new Date(Number(setAtMs)).toISOString(),
      }));
      print(JSON.stringify({ site: name, values: shown }, undefined, 2));
    }
  });
}

/** The first `=` ends the key. @throws InvalidArgumentError */
function keyAndValue(text: string): { readonly key: string; readonly value: string } {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError(`${JSON.stringify(text)} is not KEY=VALUE`);
  return { key: text.slice(0, at), value: text.slice(at + 1) };
}

async function send(
  options: CommonOptions,
  site: string,
  init: Parameters<typeof create<typeof ConfigureSiteSchema>>[1],
): Promise<void> {
  const body = toJson(ConfigureSiteSchema, create(ConfigureSiteSchema, init));
  await clientOf(options).send(
    'POST',
    `/api/v1/sites/${encodeURIComponent(site)}/configuration`,
    body,
  );
}

const countOf = (count: number) => (count === 1 ? 'one value' : `${count} values`);

function say({ output }: CommonOptions, site: string, text: string): void {
  print(output === 'json' ? JSON.stringify({ site }) : text);
}
