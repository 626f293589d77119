import { BadConfiguration } from './errors.js';
import { configurationFormat, maxConfigurationBytes, setConfigurationValue } from './set-value.js';

/** One value of a configuration file. */
export interface ConfigurationValue {
  readonly key: string;
  readonly value: string;
}

export interface Configured<Value> {
  readonly content: Uint8Array;
  /** Those of the values that the file had not already. */
  readonly set: readonly Value[];
}

/**
 * A file's content with values set in it, in their order. The control plane signs what this gives,
 * and every server makes its file by it: the same bytes everywhere.
 * @throws BadConfiguration
 */
export function configure<Value extends ConfigurationValue>(
  path: string,
  content: Uint8Array,
  values: readonly Value[],
): Configured<Value> {
  const format = configurationFormat(path);
  if (!format) throw new BadConfiguration('its name does not say JSON, YAML, INI or env');
  if (content.length > maxConfigurationBytes) throw new BadConfiguration('the file is too large');
  let text = textOf(content);
  const set: Value[] = [];
  for (const value of values) {
    const next = setConfigurationValue(format, text, value.key, value.value);
    if (next !== text) set.push(value);
    text = next;
  }
  return { content: Buffer.from(text), set };
}

function textOf(content: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
  } catch (cause) {
    throw new BadConfiguration('the file is not UTF-8', { cause });
  }
}
