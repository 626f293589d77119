import { JobType, type RecordedEvent } from '#libs/contracts/index.js';
import { load } from '#libs/event-log/aggregate.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import type { LogView } from '#libs/event-log/log-view.js';
import { derivedId } from '../domain/derived-id.js';
import { expiryOf } from '../domain/hot.js';
import { follows } from '../domain/job-run.js';
import type { JobsView } from '../domain/jobs-view.js';
import { automaticActor } from '../domain/open-runs.js';
import { retryOf } from '../domain/retry.js';
import { runAggregate } from '../domain/run.js';
import { siteAggregate } from '../domain/site.js';
import type { JobStarts } from './job-starts.js';
import type { Runs } from './runs.js';

/** What follows on the end of a run: another attempt, and jobs that wait for it. */
export class AfterRuns {
  constructor(
    private readonly log: EventLog,
    private readonly jobs: Pick<LogView<JobsView>, 'state'>,
    private readonly runs: Pick<Runs, 'request'>,
    private readonly starts: Pick<JobStarts, 'start'>,
  ) {}

  /** Asks for the next attempt of a run that failed or missed servers. Harmless to repeat. */
  async retry(outcome: RecordedEvent<'RunFailed' | 'RunPartiallyCompleted'>): Promise<void> {
    const { state } = await load(this.log, runAggregate, outcome.data.runId);
    if (state.situation === 'absent') return;
    const retry = retryOf(state.request, outcome.data, outcome.timeMs);
    if (!retry) return;
    await this.runs.request(retry, { actor: automaticActor, commandId: retry.runId });
  }

  /** Asks for the removal of hot content, for when its time is over. Harmless to repeat. */
  async expire(outcome: RecordedEvent<'RunCompleted' | 'RunPartiallyCompleted'>): Promise<void> {
    const { runId } = outcome.data;
    const { state } = await load(this.log, runAggregate, runId);
    if (state.situation === 'absent' || state.request.type !== JobType.HOT) return;
    const { request } = state;
    const site = await load(this.log, siteAggregate, request.site);
    const policy = site.state.situation === 'created' ? site.state.settings.policy : undefined;
    const started = (await this.log.read({ type: 'run', id: runId })).find(isStart);
    const nodes = started?.data.targets.flatMap((target) => target.nodes) ?? [];
    const siteTimeToLiveMs = Number(policy?.hot?.timeToLiveMs ?? 0n);
    const removal = expiryOf(request, nodes, outcome.timeMs, siteTimeToLiveMs);
    if (!removal) return;
    await this.runs.request(removal, { actor: automaticActor, commandId: removal.runId });
  }

  /** Starts the jobs that wait for the end of the run's job. Harmless to repeat. */
  async closed({ data: { runId, status } }: RecordedEvent<'RunClosed'>): Promise<void> {
    const { state } = await load(this.log, runAggregate, runId);
    const terms = state.situation === 'absent' ? undefined : state.request.terms;
    if (!terms?.job || terms.rolloutRunId) return;
    const chain = [...terms.chain, terms.job];
    for (const entry of this.jobs.state.jobs.values()) {
      // A cycle that two editors made at the same moment ends here.
      if (entry.paused || chain.includes(entry.name)) continue;
      if (!follows(entry, terms.job, status)) continue;
      const next = derivedId('after', entry.name, runId);
      await this.starts.start(entry, { runId: next, trigger: `after run ${runId}`, chain });
    }
  }
}

function isStart(event: RecordedEvent): event is RecordedEvent & RecordedEvent<'RunStarted'> {
  return event.type === 'RunStarted';
}
