import { expect, test } from '@jest/globals';
import { event } from '#libs/contracts/index.js';
import { noEvents } from '#libs/event-log/event-log.js';
import { memoryLog } from '#libs/event-log/memory-log.js';
import { Claims } from './claims.js';

test('what another replica appended for the same request hides nothing before it', async () => {
  const log = memoryLog();
  const claims = new Claims(log);
  const seen = await claims.load('www');
  const common = { site: 'www', nodes: ['a'], movesLiveVersion: true, automatic: false };
  const context = { actor: 'test', correlationId: 'c' };
  const aggregate = { type: 'claim', id: 'www' } as const;
  const first = { ...context, causationId: 'first' };
  const taken = event('ClaimTaken', { ...common, runId: 'first' });
  const head = (await log.append(aggregate, noEvents, [taken], first, 1)).at(-1) ?? noEvents;
  const second = { ...context, causationId: 'second' };
  const queued = event('ClaimQueued', { ...common, runId: 'second', blockingRunId: 'first' });
  await log.append(aggregate, head, [queued], second, 2);

  const repeated = await log.append(aggregate, seen.head, [queued], second, 3);
  claims.appended('www', seen, repeated);
  const { state } = await claims.load('www');
  expect(state.holders.map(({ runId }) => runId)).toEqual(['first']);
  expect(state.queue.map(({ runId }) => runId)).toEqual(['second']);
});
