import { create, equals, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type DomainEvent,
  event,
  type RequestRun,
  RequestRunSchema,
  type RunRequested,
  type RunStartedSchema,
  type RunTerms,
  RunTermsSchema,
  type SiteCreated,
} from '#libs/contracts/index.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';
import { InvalidRunId, RunExists } from './errors.js';

export type RunEvent = DomainEvent<
  'RunRequested' | 'RunStarted' | 'RunQueued' | 'RunDeferred' | 'RunCancelled' | 'RunClosed'
>;

/** How a run ended, as `RunClosed` says it. */
export type RunStatus = 'completed' | 'partial' | 'failed' | 'aborted';

/** What becomes of a run that has not started. */
export type Standing =
  | { readonly kind: 'start'; readonly started: MessageInitShape<typeof RunStartedSchema> }
  /** It holds its claim; its waves are runs of their own. */
  | { readonly kind: 'roll-out' }
  | { readonly kind: 'queue'; readonly blockingRunId: string; readonly reason: string }
  | { readonly kind: 'defer'; readonly untilMs: number; readonly reason: string }
  | { readonly kind: 'cancel'; readonly reason: string };

export type RunCommand =
  | {
      readonly type: 'request';
      readonly data: RequestRun;
      readonly site: SiteCreated;
      readonly groups: readonly string[];
      readonly standing: Standing;
    }
  /** Another look at a run that waits. */
  | { readonly type: 'stand'; readonly runId: string; readonly standing: Standing }
  | { readonly type: 'cancel'; readonly runId: string; readonly reason: string }
  | { readonly type: 'close'; readonly runId: string; readonly status: RunStatus };

export type Run =
  | { readonly situation: 'absent' }
  | ({ readonly situation: 'waiting'; readonly why?: Waiting } & RunParameters)
  | ({ readonly situation: 'started' } & RunParameters)
  | ({ readonly situation: 'over' } & RunParameters);

/** Why a run waits, as it was last said. */
export type Waiting = Extract<Standing, { kind: 'queue' | 'defer' }>;

interface RunParameters {
  readonly request: RequestRun;
}

/** One execution of a job. */
export const runAggregate: Aggregate<Run, RunCommand, RunEvent> = {
  type: 'run',
  initial: { situation: 'absent' },
  evolve,
  decide,
};

function evolve(state: Run, happened: RunEvent): Run {
  if (happened.type === 'RunRequested') {
    return { situation: 'waiting', request: requestOf(happened.data) };
  }
  if (state.situation === 'absent') return state;
  const { request } = state;
  switch (happened.type) {
    case 'RunStarted':
      return { situation: 'started', request };
    case 'RunQueued': {
      const { blockingRunId, reason } = happened.data;
      return { situation: 'waiting', request, why: { kind: 'queue', blockingRunId, reason } };
    }
    case 'RunDeferred': {
      const { untilMs, reason } = happened.data;
      const why = { kind: 'defer', untilMs: Number(untilMs), reason } as const;
      return { situation: 'waiting', request, why };
    }
    case 'RunCancelled':
    case 'RunClosed':
      return { situation: 'over', request };
  }
}

/** @throws InvalidRunId, RunExists */
function decide(command: RunCommand, state: Run): RunEvent[] {
  switch (command.type) {
    case 'request':
      return request(command, state);
    case 'stand':
      if (state.situation !== 'waiting' || isSaid(command.standing, state.why)) return [];
      return standingEvents(command.runId, command.standing);
    case 'cancel': {
      if (state.situation === 'absent' || state.situation === 'over') return [];
      const { runId, reason } = command;
      return [event('RunCancelled', { runId, reason })];
    }
    case 'close':
      if (state.situation === 'absent' || state.situation === 'over') return [];
      return [event('RunClosed', { runId: command.runId, status: command.status })];
  }
}

const runIdForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whether a request repeats one that made a run. @throws InvalidRunId, RunExists */
export function isRepetition(data: RequestRun, state: Run): boolean {
  const { runId, site, type, dryRun } = data;
  if (!runIdForm.test(runId)) throw new InvalidRunId(runId);
  if (state.situation === 'absent') return false;
  const known = state.request;
  if (known.site === site && known.type === type && known.dryRun === dryRun) return true;
  throw new RunExists(runId);
}

function request(command: Extract<RunCommand, { type: 'request' }>, state: Run): RunEvent[] {
  const { data, site, groups, standing } = command;
  if (isRepetition(data, state)) return [];
  const { runId, type, dryRun, to, paths, nodes } = data;
  const { staging, filters, policy } = site;
  const requested = event('RunRequested', {
    ...{ runId, site: data.site, type, dryRun, staging, filters, policy },
    ...{ groups: [...groups], to, paths, nodes },
    ...(hasTerms(data) ? { terms: termsOf(data) } : {}),
  });
  return [requested, ...standingEvents(runId, standing)];
}

function standingEvents(runId: string, standing: Standing): RunEvent[] {
  switch (standing.kind) {
    case 'start':
      return [event('RunStarted', standing.started)];
    case 'roll-out':
      return [];
    case 'queue': {
      const { blockingRunId, reason } = standing;
      return [event('RunQueued', { runId, blockingRunId, reason })];
    }
    case 'defer': {
      const { untilMs, reason } = standing;
      return [event('RunDeferred', { runId, untilMs: BigInt(untilMs), reason })];
    }
    case 'cancel':
      return [event('RunCancelled', { runId, reason: standing.reason })];
  }
}

/** Saying the same again is no news; a later time for the same reason is. */
function isSaid(standing: Standing, why: Waiting | undefined): boolean {
  if (standing.kind !== why?.kind || standing.reason !== why.reason) return false;
  if (standing.kind === 'queue') {
    return why.kind === 'queue' && standing.blockingRunId === why.blockingRunId;
  }
  return why.kind === 'defer' && standing.kind === 'defer' && standing.untilMs === why.untilMs;
}

/** All that a run is asked for beyond its parameters: older fields of the command included. */
export function termsOf({ terms, serverCount, commit }: RequestRun): RunTerms {
  return create(RunTermsSchema, {
    ...(terms ?? create(RunTermsSchema)),
    serverCount: serverCount || (terms?.serverCount ?? 0),
    commit: commit ?? terms?.commit,
  });
}

function hasTerms(data: RequestRun): boolean {
  return !equals(RunTermsSchema, termsOf(data), create(RunTermsSchema));
}

/** The request of a run, as the log has it. */
export function requestOf(requested: RunRequested): RequestRun {
  const { runId, site, type, dryRun, to, paths, nodes, terms } = requested;
  return create(RequestRunSchema, {
    ...{ runId, site, type, dryRun, to, paths, nodes, terms },
    serverCount: terms?.serverCount ?? 0,
    commit: terms?.commit,
  });
}
