import { event, type RequestRun } from '#libs/contracts/index.js';
import { type AggregateAppend, noEvents } from '#libs/event-log/event-log.js';
import { wavesOf } from '../domain/waves.js';
import type { RunFacts } from './run-facts.js';

/** The append that makes a run a rollout; with the claim, in one append. */
export function rolloutStart(request: RequestRun, { members }: RunFacts): AggregateAppend[] {
  const { runId, site, terms } = request;
  const policy = terms?.policies?.rollout;
  if (!policy) return [];
  const waves = wavesOf(
    policy,
    members.filter(({ registered }) => registered),
  );
  const started = event('RolloutStarted', { runId, site, waves, policy });
  return [{ aggregate: { type: 'rollout', id: runId }, expected: noEvents, events: [started] }];
}
