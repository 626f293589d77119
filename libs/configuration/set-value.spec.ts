import { describe, expect, it } from '@jest/globals';
import {
  type ConfigurationFormat,
  configurationFormat,
  configurationProblem,
  setConfigurationValue,
} from './set-value.js';

const set = (format: ConfigurationFormat, text: string, key: string, value: string) => {
  const once = setConfigurationValue(format, text, key, value);
  expect(setConfigurationValue(format, once, key, value)).toBe(once);
  return once;
};

describe('a configuration value', () => {
  it.each([
    ['json', '{"a":1}', 'a', '2', '{"a":2}'],
    ['json', '{ "a": 1 }', 'a', '1', '{ "a": 1 }'],
    [
      'json',
      '{\n  "a": {\n    "b": 1\n  }\n}\n',
      'a.b',
      'text',
      '{\n  "a": {\n    "b": "text"\n  }\n}\n',
    ],
    ['json', '{"a":[1,2]}', 'a.1', '"2"', '{"a":[1,"2"]}'],
    ['json', '{}', 'a.b', 'true', '{"a":{"b":true}}'],
    ['json', '{"a.b":1}', '/a.b', 'null', '{"a.b":null}'],
    ['yaml', 'a: 1 # one\nb: 2\n', 'a', '3', 'a: 3 # one\nb: 2\n'],
    [
      'yaml',
      '# top\na:\n  b: "x"\n  c:\n  - 1\nd: 2\n',
      'a.b',
      'y z',
      '# top\na:\n  b: "y z"\n  c:\n  - 1\nd: 2\n',
    ],
    ['yaml', 'a:\n  b: 1\n\nd: 2\n', 'a.c', 'true', 'a:\n  b: 1\n  c: true\n\nd: 2\n'],
    ['yaml', 'a: 1\n', 'b.c.d', '1', 'a: 1\nb:\n  c:\n    d: 1\n'],
    ['yaml', '', 'a', '1', 'a: 1\n'],
    ['yaml', 'url: http://a:80/#x\n', 'url', 'http://b/', 'url: "http://b/"\n'],
    ['ini', 'a = 1\n[s]\nb=2 \n', 's.b', '3', 'a = 1\n[s]\nb=3\n'],
    ['ini', '[s]\nb=2\n\n[t]\nb=4\n', 's.c', '3', '[s]\nb=2\nc = 3\n\n[t]\nb=4\n'],
    ['ini', 'a = 1\n', 't.b', '3', 'a = 1\n[t]\nb = 3\n'],
    ['env', 'A=1\nexport B=2\n', 'B', 'x y$', 'A=1\nexport B="x y\\$"\n'],
    ['env', 'A=1', 'C', '3', 'A=1\nC=3\n'],
  ] as const)('is set in %s: %j, %s = %s', (format, text, key, value, expected) => {
    expect(set(format, text, key, value)).toBe(expected);
  });

  it.each([
    ['json', '{"a":1}', 'a.b', '1', 'no object'],
    ['json', '{', 'a', '1', 'not JSON'],
    ['json', '{"a":[1]}', 'a.7', '1', 'no place'],
    ['json', '{}', '__proto__.x', '1', 'reserved'],
    ['json', '{}', 'constructor.x', '1', 'reserved'],
    ['json', '{"a":12345678901234567890}', 'b', '1', '16 digits'],
    ['yaml', 'a: |\n  b: 1\n', 'a', '1', 'blocks'],
    ['yaml', 'a: &x 1\n', 'a', '1', 'plain'],
    ['yaml', 'a: [1,\n  2]\n', 'a', '1', 'plain'],
    ['yaml', 'a:\n  b: 1\n', 'a', '1', 'plain'],
    ['yaml', 'a: 1\n---\nb: 1\n', 'a', '1', 'documents'],
    ['yaml', 'a:\n\tb: 1\n', 'a.b', '1', 'tabs'],
    ['yaml', '- a\n- b\n', 'a', '1', 'list'],
    ['ini', '', 'a]', '1', 'no name'],
    ['env', '', 'A B', '1', 'no name'],
    ['env', '', 'A', 'x\nB=2', 'control'],
    ['json', '{}', 'a..b', '1', 'empty'],
    ['json', '{}', 'a', '\ud800', 'half'],
  ] as const)('is refused in %s: %j, %s', (format, text, key, value, why) => {
    expect(() => setConfigurationValue(format, text, key, value)).toThrow(why);
  });

  it('has a place only in files whose name says their format', () => {
    expect(configurationFormat('a/b.JSON')).toBe('json');
    expect(configurationFormat('a/.env')).toBe('env');
    expect(configurationFormat('a.json/b')).toBe(undefined);
    expect(configurationFormat('constructor')).toBe(undefined);
    expect(configurationProblem('json', 'a', 'b')).toBe(undefined);
  });
});
