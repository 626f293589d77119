import { create } from '@bufbuild/protobuf';
import { configurationFormat, configurationProblem } from '#libs/configuration/set-value.js';
import { textProblem } from '#libs/content-store/name-text.js';
import {
  type ConfigurationKey,
  type ConfigurationValue,
  ConfigurationValueSchema,
  type ConfigureSite,
} from '#libs/contracts/index.js';
import { InvalidConfiguration } from './errors.js';

/** Of a site's values, as UTF-8: every run carries them. */
const maxConfigurationBytes = 65_536;

/**
 * The values of a site after a command. One that is set to what it is keeps its time; new ones come
 * last.
 * @throws InvalidConfiguration
 */
export function configurationAfter(
  present: readonly ConfigurationValue[],
  { site, set, unset, only }: ConfigureSite,
  nowMs: number,
): ConfigurationValue[] {
  const values = new Map(present.map((value) => [placeOf(value), value]));
  for (const place of unset) {
    if (!values.delete(placeOf(place))) throw invalid(site, place, 'has no value to unset');
  }
  for (const value of set) {
    requireSettable(site, value);
    if (values.get(placeOf(value))?.value === value.value) continue;
    const { path, key } = value;
    const setAtMs = BigInt(nowMs);
    const init = { path, key, value: value.value, setAtMs };
    values.set(placeOf(value), create(ConfigurationValueSchema, init));
  }
  const wanted = new Set(set.map(placeOf));
  const result = [...values.values()].filter((value) => !only || wanted.has(placeOf(value)));
  const bytes = Buffer.byteLength(
    JSON.stringify(result.map(({ path, key, value }) => [path, key, value])),
  );
  const last = set.at(-1);
  if (last && bytes > maxConfigurationBytes) {
    throw invalid(site, last, `is one too many: all values together have ${bytes} bytes`);
  }
  return result;
}

const placeOf = ({ path, key }: Pick<ConfigurationKey, 'path' | 'key'>) =>
  JSON.stringify([path, key]);

function requireSettable(site: string, value: ConfigureSite['set'][number]): void {
  const { path, key } = value;
  const isInside = path.split('/').every((name) => name !== '' && name !== '.' && name !== '..');
  if (!isInside || textProblem(path)) throw invalid(site, value, 'is no path in the site');
  const format = configurationFormat(path);
  if (!format) throw invalid(site, value, 'has no name of a JSON, YAML, INI or env file');
  const problem = configurationProblem(format, key, value.value);
  if (problem) throw invalid(site, value, `has ${problem}`);
}

function invalid(
  site: string,
  { path, key }: Pick<ConfigurationKey, 'path' | 'key'>,
  problem: string,
): InvalidConfiguration {
  return new InvalidConfiguration(site, `${JSON.stringify(path)} ${JSON.stringify(key)}`, problem);
}
