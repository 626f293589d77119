import { describe, expect, it } from '@jest/globals';
import { configure } from './configure.js';
import { BadConfiguration } from './errors.js';
import { maxConfigurationBytes } from './set-value.js';

const text = (content: Uint8Array) => Buffer.from(content).toString();

describe('a configured file', () => {
  const port = { key: 'port', value: '8080' };
  const name = { key: 'name', value: 'orders' };

  it('has all values, and tells which of them it had not', () => {
    const { content, set } = configure('app.json', Buffer.from('{"port":8080}'), [port, name]);
    expect(text(content)).toBe('{"port":8080,"name":"orders"}');
    expect(set).toEqual([name]);
    expect(configure('app.json', content, [port, name])).toEqual({ content, set: [] });
  });

  it.each([
    ['is no configuration', 'app.txt', Buffer.from('{}'), /name/],
    ['is too large', 'app.json', Buffer.alloc(maxConfigurationBytes + 1), /large/],
    ['is not text', 'app.json', Buffer.from([0x7b, 0xff, 0x7d]), /UTF-8/],
    ['is not what its name says', 'app.json', Buffer.from('port: 1'), /not JSON/],
  ])('is refused where it %s', (_, path, content, why) => {
    expect(() => configure(path, content, [port])).toThrow(BadConfiguration);
    expect(() => configure(path, content, [port])).toThrow(why);
  });
});
