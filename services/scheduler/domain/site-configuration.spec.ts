import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { ConfigureSiteSchema, CreateSiteSchema, EditSiteSchema } from '#libs/contracts/index.js';
import { InvalidConfiguration, UnknownSite } from './errors.js';
import { type SiteCommand, type SiteEvent, siteAggregate } from './site.js';

type Configuration = MessageInitShape<typeof ConfigureSiteSchema>;

function configure(init: Configuration, nowMs = 1): SiteCommand {
  const data = create(ConfigureSiteSchema, { site: 'www', ...init });
  return { type: 'ConfigureSite', data, nowMs };
}

/** The events after commands to a new site. */
function eventsAfter(...commands: readonly SiteCommand[]): SiteEvent[] {
  const data = create(CreateSiteSchema, { site: 'www', staging: '/srv', policy: { hooks: ['h'] } });
  const events: SiteEvent[] = [];
  for (const command of [{ type: 'CreateSite', data } as const, ...commands]) {
    const state = events.reduce(siteAggregate.evolve, siteAggregate.initial);
    events.push(...siteAggregate.decide(command, state));
  }
  return events;
}

const valuesOf = (events: readonly SiteEvent[]) =>
  events
    .at(-1)
    ?.data.policy?.configuration.map(({ path, key, value, setAtMs }) => [
      path,
      key,
      value,
      setAtMs,
    ]);

const hello = { path: 'app.json', key: 'greeting', value: 'hello' };
const rate = { path: 'conf/limits.ini', key: 'web.rate', value: '5' };

describe('configuration of a site', () => {
  test('is set with the time, beside all other settings', () => {
    const events = eventsAfter(configure({ set: [hello] }, 7));
    expect(events.at(-1)).toMatchObject({ type: 'SiteEdited', data: { staging: '/srv' } });
    expect(events.at(-1)?.data.policy?.hooks).toEqual(['h']);
    expect(valuesOf(events)).toEqual([['app.json', 'greeting', 'hello', 7n]]);
  });

  test('keeps its other values, and the time of one that is set to what it is', () => {
    const again = configure({ set: [hello] }, 9);
    expect(eventsAfter(configure({ set: [hello] }, 7), again)).toHaveLength(2);
    const both = eventsAfter(configure({ set: [hello] }, 7), configure({ set: [hello, rate] }, 9));
    expect(valuesOf(both)).toEqual([
      ['app.json', 'greeting', 'hello', 7n],
      ['conf/limits.ini', 'web.rate', '5', 9n],
    ]);
    const changed = eventsAfter(
      configure({ set: [hello] }),
      configure({ set: [{ ...hello, value: '' }] }),
    );
    expect(valuesOf(changed)).toEqual([['app.json', 'greeting', '', 1n]]);
  });

  test('is unset by place, or by being the only one that is not named', () => {
    const set = configure({ set: [hello, rate] });
    expect(valuesOf(eventsAfter(set, configure({ unset: [hello] })))).toHaveLength(1);
    expect(valuesOf(eventsAfter(set, configure({ set: [hello], only: true })))).toHaveLength(1);
    expect(valuesOf(eventsAfter(set, configure({ only: true })))).toEqual([]);
  });

  test('stays when the site is edited by somebody who does not know it', () => {
    const data = create(EditSiteSchema, { site: 'www', staging: '/srv', policy: { hooks: ['i'] } });
    const events = eventsAfter(configure({ set: [hello] }), { type: 'EditSite', data });
    expect(events.at(-1)?.data.policy?.hooks).toEqual(['i']);
    expect(valuesOf(events)).toHaveLength(1);
  });

  test.each<[string, Configuration]>([
    ['no path', { set: [{ ...hello, path: '' }] }],
    ['no path', { set: [{ ...hello, path: '/etc/app.json' }] }],
    ['no path', { set: [{ ...hello, path: 'a/../app.json' }] }],
    ['no path', { set: [{ ...hello, path: 'a\u0000.json' }] }],
    ['no name of a JSON', { set: [{ ...hello, path: 'serve' }] }],
    ['empty name', { set: [{ ...hello, key: 'a..b' }] }],
    ['reserved', { set: [{ ...hello, key: '__proto__.a' }] }],
    ['control character', { set: [{ ...hello, value: 'a\nb' }] }],
    ['half a character', { set: [{ ...hello, value: '\ud800' }] }],
    ['one too many', { set: [{ ...hello, value: 'a'.repeat(65_536) }] }],
    ['no value to unset', { unset: [rate] }],
  ])('is refused with %s', (why, init) => {
    const events = eventsAfter(configure({ set: [hello] }));
    const state = events.reduce(siteAggregate.evolve, siteAggregate.initial);
    const decide = () => siteAggregate.decide(configure(init), state);
    expect(decide).toThrow(InvalidConfiguration);
    expect(decide).toThrow(why);
  });

  test('is of a site that there is', () => {
    const decide = () => siteAggregate.decide(configure({}), siteAggregate.initial);
    expect(decide).toThrow(UnknownSite);
  });
});
