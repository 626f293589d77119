import type { Clock } from '#libs/clock/clock.js';
import {
  type CreateJob,
  type DeleteJob,
  type EditJob,
  eventTrigger,
  type JobSpec,
  type JobsQuery,
  type OutsideEvent,
  type PauseJob,
  type ResumeJob,
  type TriggerJob,
} from '#libs/contracts/index.js';
import { execute, load } from '#libs/event-log/aggregate.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import type { LogView } from '#libs/event-log/log-view.js';
import { type Caller, commandContext } from '#libs/nest-jetstream/context.js';
import { derivedId } from '../domain/derived-id.js';
import { InvalidTrigger, JobIsPaused, UnknownJob } from '../domain/errors.js';
import { type Fleet, groupsOf } from '../domain/fleet.js';
import { type JobCommand, jobAggregate } from '../domain/job-definition.js';
import { hears } from '../domain/job-run.js';
import type { SpecFacts } from '../domain/job-spec.js';
import { jobView } from '../domain/job-view.js';
import type { JobEntry, JobsView } from '../domain/jobs-view.js';
import { siteAggregate } from '../domain/site.js';
import type { JobStarts } from './job-starts.js';
import type { Accepted } from './runs.js';

const defaultLimit = 100;
/** One reply of NATS takes no more. */
const mostInReply = 500;

/** Commands on jobs, and what makes them run besides the time. */
export class Jobs {
  constructor(
    private readonly log: EventLog,
    private readonly jobs: Pick<LogView<JobsView>, 'state' | 'reaches'>,
    private readonly fleet: Pick<LogView<Fleet>, 'state'>,
    private readonly starts: JobStarts,
    private readonly clock: Clock,
  ) {}

  /** @throws InvalidName, JobExists, what `requireSpec` throws */
  async create(data: CreateJob, caller: Caller): Promise<Accepted> {
    return this.change({ type: 'create', data, facts: await this.factsFor(data.spec) }, caller);
  }

  /** @throws UnknownJob, what `requireSpec` throws */
  async edit(data: EditJob, caller: Caller): Promise<Accepted> {
    return this.change({ type: 'edit', data, facts: await this.factsFor(data.spec) }, caller);
  }

  /** @throws UnknownJob */
  pause(data: PauseJob, caller: Caller): Promise<Accepted> {
    return this.change({ type: 'pause', data }, caller);
  }

  /** @throws UnknownJob */
  resume(data: ResumeJob, caller: Caller): Promise<Accepted> {
    return this.change({ type: 'resume', data }, caller);
  }

  /** @throws UnknownJob */
  delete(data: DeleteJob, caller: Caller): Promise<Accepted> {
    return this.change({ type: 'delete', data }, caller);
  }

  /** @throws UnknownJob, JobIsPaused, InvalidTrigger, what a request for a run throws */
  async trigger(data: TriggerJob, caller: Caller): Promise<Accepted> {
    const { job, loadBalancer, paths, nodes, serverCount } = data;
    const entry = this.entry(job);
    if (entry.paused) throw new JobIsPaused(job);
    const triggers = entry.spec.triggers.map(({ trigger }) => trigger.case);
    if (loadBalancer && !triggers.includes('loadBalancer')) {
      throw new InvalidTrigger(job, 'no load balancer may ask for it');
    }
    const runId = data.runId || derivedId('now', job, caller.commandId);
    const trigger = loadBalancer ? 'load balancer' : 'now';
    const cause = { runId, trigger, paths, nodes, serverCount };
    return this.starts.startFor(entry, cause, caller.actor);
  }

  /** Jobs that wait for the event run, each once for its id. @throws UnknownJob */
  async heard({ job, id, type }: OutsideEvent, _caller: Caller): Promise<Accepted> {
    const all = job === '' ? [...this.jobs.state.jobs.values()] : [this.entry(job)];
    for (const entry of all) {
      if (entry.paused || !hears(entry, type)) continue;
      const runId = derivedId('event', entry.name, id);
      await this.starts.start(entry, { runId, trigger: `${eventTrigger}${type} ${id}` });
    }
    return { id, sequence: 0 };
  }

  /** @throws UnknownJob */
  async list({ job, after, limit, atSequence }: JobsQuery) {
    await this.jobs.reaches(Math.min(Number(atSequence), await this.log.lastSequence()));
    const nowMs = this.clock.nowMs();
    if (job !== '') return { jobs: [jobView(this.entry(job), nowMs)] };
    const names = [...this.jobs.state.jobs.keys()].filter((name) => name > after).sort();
    const take = Math.min(limit || defaultLimit, mostInReply);
    return { jobs: names.slice(0, take).map((name) => jobView(this.entry(name), nowMs)) };
  }

  private entry(job: string): JobEntry {
    const entry = this.jobs.state.jobs.get(job);
    if (!entry) throw new UnknownJob(job);
    return entry;
  }

  private async factsFor(spec: JobSpec | undefined): Promise<SpecFacts> {
    const { state } = await load(this.log, siteAggregate, spec?.site ?? '');
    return {
      site: state.situation === 'created' ? state.settings : undefined,
      groups: groupsOf(this.fleet.state, spec?.site ?? '').map(({ name }) => name),
      jobs: this.jobs.state.jobs,
      nowMs: this.clock.nowMs(),
    };
  }

  private async change(command: Exclude<JobCommand, { type: 'skip' }>, caller: Caller) {
    const { job } = command.data;
    const context = commandContext(caller, caller.commandId);
    const nowMs = this.clock.nowMs();
    const events = await execute(this.log, jobAggregate, job, command, context, nowMs);
    const sequence = events.at(-1)?.sequence ?? 0;
    await this.jobs.reaches(sequence);
    return { id: job, sequence };
  }
}
