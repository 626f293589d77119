import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import {
  type CloudEvent,
  type EventType,
  eventCatalogue,
  fromCloudEvent,
  toCloudEvent,
} from '#libs/contracts/index.js';
import { exampleEvent } from '../support/example-event.js';

const corpus = fileURLToPath(new URL('../../../test/golden/events', import.meta.url));
const types = Object.keys(eventCatalogue) as EventType[];

/** Files of the corpus are written once, for a new event, and never changed after. */
function goldenEvent(type: EventType): CloudEvent {
  const path = join(corpus, `${type}.json`);
  if (!existsSync(path) && process.env.WRITE_GOLDEN === '1') {
    writeFileSync(path, `${JSON.stringify(toCloudEvent(exampleEvent(type)), undefined, 2)}\n`);
  }
  return JSON.parse(readFileSync(path, 'utf8')) as CloudEvent;
}

describe('the golden corpus of events', () => {
  it.each(types)(
    'has a %s that decodes with every field, and encodes to the same again',
    (type) => {
      const golden = goldenEvent(type);
      const decoded = fromCloudEvent(golden, 17);
      expect(decoded).toMatchObject({ type, sequence: 17, version: 3 });
      expect(toCloudEvent(decoded)).toEqual(golden);
      const known = Object.keys(golden.data as object);
      expect(known.length).toBeGreaterThan(0);
    },
  );

  it('has no event that this version has forgotten', () => {
    const names = readdirSync(corpus).map((name) => name.replace(/\.json$/, ''));
    expect(names.filter((name) => !types.includes(name as EventType))).toEqual([]);
  });

  it('decodes events of later versions, whose new fields are ignored', () => {
    const golden = goldenEvent('RunStarted');
    const later = { ...golden, data: { ...(golden.data as object), fieldOfALaterVersion: 1 } };
    expect(fromCloudEvent(later, 1)).toEqual(fromCloudEvent(golden, 1));
  });

  it('names the event when its type is unknown', () => {
    const unknown = { ...goldenEvent('RunStarted'), type: 'espalier.v9.Unheard' };
    expect(() => fromCloudEvent(unknown, 1)).toThrow(/cause-1:site.www:1.*espalier.v9.Unheard/);
  });

  it('names the event when its data is malformed', () => {
    const malformed = { ...goldenEvent('RunStarted'), data: { runId: 5 } };
    expect(() => fromCloudEvent(malformed, 1)).toThrow(/cause-1:site.www:1.*malformed/);
  });
});
