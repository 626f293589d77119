import { describe, expect, it } from '@jest/globals';
import { event, type RecordedEvent } from '#libs/contracts/index.js';
import { type EventLog, noEvents } from './event-log.js';
import { LogView } from './log-view.js';
import { memoryLog } from './memory-log.js';

const names = {
  aggregateTypes: ['site'] as const,
  initial: [] as readonly string[],
  evolve(state: readonly string[], { aggregate }: RecordedEvent) {
    if (aggregate.id === 'poison') throw new Error('no such state');
    return [...state, aggregate.id];
  },
};

async function createSite(log: EventLog, name: string): Promise<number> {
  const context = { actor: 'test', correlationId: 'c', causationId: name };
  const events = [event('SiteCreated', { site: name })];
  const [recorded] = await log.append({ type: 'site', id: name }, noEvents, events, context, 0);
  return recorded?.sequence ?? 0;
}

describe('view of the log', () => {
  it('holds what is in the log when it has started, then follows', async () => {
    const log = memoryLog();
    await createSite(log, 'a');
    const view = await LogView.start(log, names);
    expect(view.state).toEqual(['a']);
    const sequence = await createSite(log, 'b');
    await view.reaches(sequence);
    expect(view.state).toEqual(['a', 'b']);
    expect(view.sequence).toBe(sequence);
    await view.close();
  });

  it('waits for an event that is not appended yet', async () => {
    const log = memoryLog();
    const view = await LogView.start(log, names);
    const reached = view.reaches(2);
    await createSite(log, 'a');
    await createSite(log, 'b');
    await reached;
    expect(view.state).toEqual(['a', 'b']);
    await view.close();
  });

  it('tells everyone when it cannot go on', async () => {
    const log = memoryLog();
    const view = await LogView.start(log, names);
    const reached = view.reaches(1);
    await createSite(log, 'poison');
    await expect(reached).rejects.toThrow('no such state');
    expect(() => view.state).toThrow('no such state');
    await expect(view.reaches(1)).rejects.toThrow('no such state');
  });

  it('lets nobody wait for a view that is closed', async () => {
    const view = await LogView.start(memoryLog(), names);
    const reached = view.reaches(1);
    await view.close();
    await expect(reached).rejects.toThrow('closed');
    await expect(view.reaches(1)).rejects.toThrow('closed');
    expect(view.state).toEqual([]);
  });
});
