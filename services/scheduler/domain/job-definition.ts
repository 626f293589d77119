import { equals } from '@bufbuild/protobuf';
import {
  type CreateJob,
  type DeleteJob,
  type DomainEvent,
  type EditJob,
  event,
  type JobSpec,
  JobSpecSchema,
  type PauseJob,
  type ResumeJob,
} from '#libs/contracts/index.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';
import { JobExists, UnknownJob } from './errors.js';
import { requireSpec, type SpecFacts } from './job-spec.js';
import { requireName } from './names.js';

export type JobEvent = DomainEvent<
  'JobCreated' | 'JobEdited' | 'JobPaused' | 'JobResumed' | 'JobDeleted' | 'JobOccurrenceSkipped'
>;

export type JobCommand =
  | { readonly type: 'create'; readonly data: CreateJob; readonly facts: SpecFacts }
  | { readonly type: 'edit'; readonly data: EditJob; readonly facts: SpecFacts }
  | { readonly type: 'pause'; readonly data: PauseJob }
  | { readonly type: 'resume'; readonly data: ResumeJob }
  | { readonly type: 'delete'; readonly data: DeleteJob }
  | { readonly type: 'skip'; readonly skipped: Skipped };

/** An occurrence that was due and does not begin. */
export interface Skipped {
  readonly job: string;
  readonly jobVersion: bigint;
  readonly dueAtMs: bigint;
  /** All that was due until then is left out with it; 0: nothing else. */
  readonly untilMs: bigint;
  readonly reason: string;
}

export type JobDefinition =
  | { readonly situation: 'absent'; readonly version: bigint }
  | {
      readonly situation: 'present';
      readonly version: bigint;
      readonly spec: JobSpec;
      readonly paused: boolean;
    };

/** A job: what runs, where, when and how. Each change makes a version that runs refer to. */
export const jobAggregate: Aggregate<JobDefinition, JobCommand, JobEvent> = {
  type: 'job',
  initial: { situation: 'absent', version: 0n },
  evolve,
  decide,
};

function evolve(state: JobDefinition, happened: JobEvent): JobDefinition {
  const version = state.version + 1n;
  switch (happened.type) {
    case 'JobCreated':
      return { situation: 'present', version, spec: stored(happened.data.spec), paused: false };
    case 'JobEdited': {
      const paused = state.situation === 'present' && state.paused;
      return { situation: 'present', version, spec: stored(happened.data.spec), paused };
    }
    case 'JobPaused':
      return state.situation === 'present' ? { ...state, paused: true } : state;
    case 'JobResumed':
      return state.situation === 'present' ? { ...state, paused: false } : state;
    case 'JobDeleted':
      return { situation: 'absent', version: state.version };
    case 'JobOccurrenceSkipped':
      return state;
  }
}

/** @throws InvalidName, UnknownJob, JobExists, what `requireSpec` throws */
function decide(command: JobCommand, state: JobDefinition): JobEvent[] {
  if (command.type === 'create') return create(command, state);
  if (command.type === 'skip') return [event('JobOccurrenceSkipped', command.skipped)];
  const { job } = command.data;
  if (state.situation === 'absent') {
    if (command.type === 'delete' && state.version > 0n) return [];
    throw new UnknownJob(job);
  }
  switch (command.type) {
    case 'edit': {
      const spec = requireSpec(job, command.data.spec, command.facts);
      if (equals(JobSpecSchema, spec, state.spec)) return [];
      return [event('JobEdited', { job, jobVersion: state.version + 1n, spec })];
    }
    case 'pause':
      return state.paused ? [] : [event('JobPaused', { job })];
    case 'resume':
      return state.paused ? [event('JobResumed', { job })] : [];
    case 'delete':
      return [event('JobDeleted', { job })];
  }
}

function create(
  { data, facts }: Extract<JobCommand, { type: 'create' }>,
  state: JobDefinition,
): JobEvent[] {
  const { job } = data;
  requireName('job', job);
  const spec = requireSpec(job, data.spec, facts);
  if (state.situation === 'absent') return [event('JobCreated', { job, spec })];
  if (equals(JobSpecSchema, spec, state.spec)) return [];
  throw new JobExists(job);
}

function stored(spec: JobSpec | undefined): JobSpec {
  if (spec === undefined) throw new Error('a stored job has no specification');
  return spec;
}
