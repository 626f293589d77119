import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { InvalidSelector } from './errors.js';
import { matches, parseSelector } from './selector.js';

const paris = new Map([
  ['location', 'paris'],
  ['tier', 'prod'],
  ['name', 'paris-1'],
]);

describe('a selector', () => {
  test.each([
    ['location=paris', true],
    ['location == paris', true],
    ['location=rome', false],
    ['rack=7', false],
    ['location!=rome', true],
    ['location!=paris', false],
    ['rack!=7', true],
    ['location in (rome, paris)', true],
    ['location in (rome,oslo)', false],
    ['rack in (7)', false],
    ['location notin (rome,oslo)', true],
    ['location notin (rome,paris)', false],
    ['rack notin (7)', true],
    ['tier', true],
    ['rack', false],
    ['!rack', true],
    ['! tier', false],
    ['location in (rome,paris),tier=prod', true],
    ['location in (rome,paris) , tier!=prod', false],
    ['name=paris-1,location,!rack', true],
  ])('%j is %j of a server in paris', (text, expected) => {
    expect(matches(parseSelector(text), paris)).toBe(expected);
  });

  test.each([
    '',
    ' ',
    ',',
    'tier=prod,',
    'location in ()',
    'location in (paris,)',
    'location in (paris',
    'location in paris',
    'location notin',
    '=paris',
    'a b',
    '!tier=prod',
    'location in (a b)',
    'tier=pr od',
    '-tier',
  ])('refuses %j, and says what is wrong with it', (text) => {
    expect(() => parseSelector(text)).toThrow(InvalidSelector);
  });

  const key = fc.stringMatching(/^[a-z]{1,4}$/).filter((name) => name !== 'in');
  const value = fc.stringMatching(/^[a-z0-9]{1,3}$/);
  const labels = fc.dictionary(key, value).map((object) => new Map(Object.entries(object)));

  test('a requirement and its negation never agree', () => {
    fc.assert(
      fc.property(
        key,
        fc.array(value, { minLength: 1, maxLength: 3 }),
        labels,
        (k, list, given) => {
          const holds = (text: string) => matches(parseSelector(text), given);
          expect(holds(`${k}=${list[0]}`)).toBe(!holds(`${k}!=${list[0]}`));
          expect(holds(`${k} in (${list.join(', ')})`)).toBe(!holds(`${k} notin (${list.join()})`));
          expect(holds(k)).toBe(!holds(`!${k}`));
        },
      ),
    );
  });

  test('joined requirements hold when each of them holds', () => {
    const requirement = fc.oneof(
      fc.tuple(key, value).map(([k, v]) => `${k}=${v}`),
      fc.tuple(key, value).map(([k, v]) => `${k}!=${v}`),
      fc.tuple(key, value, value).map(([k, v, w]) => `${k} in (${v},${w})`),
      key.map((k) => `!${k}`),
    );
    fc.assert(
      fc.property(fc.array(requirement, { minLength: 1, maxLength: 4 }), labels, (parts, given) => {
        const each = parts.every((part) => matches(parseSelector(part), given));
        expect(matches(parseSelector(parts.join(',')), given)).toBe(each);
      }),
    );
  });
});
