import { describe, expect, it } from '@jest/globals';
import { checkTypes, type EventFilter, EventSelection, type FeedEvent } from './event-filter.js';

let sequence = 0;
function event(type: string, runId: string, data: object, actor = 'cli:ann'): FeedEvent {
  sequence += 1;
  return {
    type: `espalier.v1.${type}`,
    sequence,
    id: `e${sequence}`,
    time: new Date(1_000 * sequence).toISOString(),
    actor,
    correlationid: runId,
    aggregatetype: 'run',
    subject: runId,
    data,
  } as unknown as FeedEvent;
}

const log = [
  event('RunRequested', 'r1', { runId: 'r1', site: 'www' }),
  event('RunRequested', 'r2', { runId: 'r2', site: 'shop' }),
  event('SegmentPrepared', 'r1', { nodes: [{ node: 'paris-1' }] }, 'agent:paris-1'),
  event('SegmentPrepared', 'r2', { nodes: [{ node: 'tokyo-1' }] }, 'agent:tokyo-1'),
  event('RunCompleted', 'r1', { runId: 'r1' }, 'service:reporting'),
];

function places(filter: EventFilter): number[] {
  const selection = new EventSelection(filter);
  return log.filter((one) => selection.wants(one)).map((one) => one.sequence);
}

describe('the filter of events', () => {
  it.each<[string, EventFilter, number[]]>([
    ['of a run', { run: 'r2' }, [2, 4]],
    ['of a site, and of its runs', { site: 'www' }, [1, 3, 5]],
    ['that name a node, or that it caused', { node: 'paris-1' }, [3]],
    ['of an actor', { actor: 'cli:ann' }, [1, 2]],
    ['of a kind of actors', { actor: 'agent:*' }, [3, 4]],
    ['of types', { types: ['RunCompleted', 'RunRequested'] }, [1, 2, 5]],
    ['of a time', { sinceMs: 2_000, untilMs: 4_000 }, [2, 3, 4]],
    ['for which every condition holds', { site: 'www', actor: 'agent:*' }, [3]],
    ['without conditions: all', {}, [1, 2, 3, 4, 5]],
  ])('selects events %s', (_what, filter, expected) => {
    expect(places(filter)).toEqual(expected);
  });

  it('knows the runs of a site from what was before the place where it begins', () => {
    const selection = new EventSelection({ site: 'www' });
    selection.learn(log[0] as FeedEvent);
    expect(selection.wants(log[4] as FeedEvent)).toBe(true);
  });

  it('refuses a type that there is not', () => {
    expect(() => checkTypes(['RunStarted', 'RunExploded'])).toThrow(/RunExploded/);
  });
});
