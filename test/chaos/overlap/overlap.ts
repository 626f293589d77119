import type { ChildProcess } from 'node:child_process';
import { connect } from '@nats-io/transport-node';
import { uuidv7 } from 'uuidv7';
import {
  type AggregateType,
  ConflictPolicy,
  type DomainEvent,
  event,
  JobType,
  RequestRunSchema,
} from '#libs/contracts/index.js';
import { openJetStreamLog } from '#libs/event-log/adapters/jetstream/jetstream-log.js';
import { type EventLog, type LogSubscription, noEvents } from '#libs/event-log/event-log.js';
import { ServiceClient } from '#libs/nest-jetstream/service-client.js';
import { withLazyNats } from '../../conformance/lazy-nats.js';
import { startScheduler } from '../../support/scheduler-replicas.js';
import { type TestNats, withNats } from '../../support/servers.js';
import { until } from '../../support/until.js';
import { type ProcessorMs, Usage } from './usage.js';

export interface OverlapOptions {
  /** Runs of one site that are asked for while the first one holds its servers. */
  readonly runs: number;
  readonly replicas: number;
  /** A nats-server that does not wait for the disk: four times as quick, not to be trusted. */
  readonly lazy?: boolean;
  /** How long all of it may take; an hour unless told. */
  readonly patienceMs?: number;
  readonly log: (line: string) => void;
}

export interface OverlapResult {
  readonly runs: number;
  readonly replicas: number;
  readonly lazy: boolean;
  readonly started: number;
  /** Started before one that was in the queue before it. */
  readonly outOfOrder: number;
  /** More than one at a time. */
  readonly together: number;
  readonly queueSeconds: number;
  readonly drainSeconds: number;
  /** Of each run, while all come to wait, and while they start and end. */
  readonly queueProcessorMs: ProcessorMs;
  readonly drainProcessorMs: ProcessorMs;
  /** The largest replica: before the first run, and at most. */
  readonly rssMiB: { readonly before: number; readonly most: number };
}

type AnyNats = Pick<TestNats, 'url' | 'monitorUrl' | 'stop'> & Partial<TestNats>;

const site = 'www';
const askedAtOnce = 64;
const hourMs = 3_600_000;

/**
 * Runs of one site, asked for at once of several replicas of the scheduler: all wait in one queue,
 * and each starts when the one before it has ended, as an agent's reports would have it.
 */
export async function overlap(options: OverlapOptions): Promise<OverlapResult> {
  const { lazy = false } = options;
  const server: AnyNats = lazy ? await withLazyNats() : await withNats();
  const { url: servers, user, password: pass, monitorUrl } = server;
  const nats = await connect({ servers, ...(user ? { user, pass } : {}) });
  const replicas: ChildProcess[] = [];
  const environment = {
    ESPALIER_REPAIR_DELAY_MS: '0',
    ESPALIER_ALLOW_LAZY_SYNC: String(lazy),
  };
  try {
    const log = await openJetStreamLog(nats, { allowLazySync: lazy, monitorUrl });
    await seed(log);
    for (let number = 0; number < options.replicas; number++) {
      replicas.push(await startScheduler(server, environment));
    }
    return await measure(options, log, new ServiceClient(nats), replicas);
  } finally {
    for (const replica of replicas) replica.kill('SIGKILL');
    await nats.close();
    await server.stop();
  }
}

async function measure(
  { runs, log: say, lazy = false, patienceMs = hourMs, ...options }: OverlapOptions,
  log: EventLog,
  client: ServiceClient,
  replicas: readonly ChildProcess[],
): Promise<OverlapResult> {
  const watched = new Watched(log);
  const usage = new Usage(replicas.map(({ pid = 0 }) => pid));
  let startedMs = Date.now();
  const ids = Array.from({ length: runs }, () => uuidv7());
  let asked = 0;
  await inParallel(ids, async (runId) => {
    await request(client, runId, patienceMs);
    asked += 1;
    if (asked % 1_000 === 0) say(`${asked} asked for after ${(Date.now() - startedMs) / 1_000} s`);
  });
  const queueSeconds = (Date.now() - startedMs) / 1_000;
  const queueProcessorMs = usage.perRun(runs);
  say(`${runs} runs wait or run after ${queueSeconds} s`);
  startedMs = Date.now();
  await watched.drain(runs, say, patienceMs);
  const drainSeconds = (Date.now() - startedMs) / 1_000;
  const drainProcessorMs = usage.perRun(runs);
  const { order, started, together } = watched;
  const places = new Map(order.map((runId, place) => [runId, place]));
  const outOfOrder = started.filter((runId, place) => {
    const before = started[place - 1];
    return before !== undefined && (places.get(runId) ?? 0) < (places.get(before) ?? 0);
  }).length;
  const result = { runs, ...options, lazy, started: new Set(started).size, outOfOrder, together };
  const processor = { queueProcessorMs, drainProcessorMs };
  return { ...result, queueSeconds, drainSeconds, ...processor, rssMiB: usage.close() };
}

async function request(client: ServiceClient, runId: string, patienceMs: number): Promise<void> {
  const policies = { conflict: ConflictPolicy.QUEUE };
  const run = { runId, site, type: JobType.PUBLISH, terms: { policies } };
  await until(
    'a run is accepted',
    async () => {
      const caller = { actor: 'cli:test', commandId: runId };
      await client.command('scheduler', 'RequestRun', RequestRunSchema, run, caller);
      return true;
    },
    { timeoutMs: patienceMs },
  );
}

/** Follows the queue and ends whichever run has started, as reporting does. */
class Watched {
  /** Runs in the order in which they came to hold the site, or to wait for it. */
  readonly order: string[] = [];
  readonly started: string[] = [];
  together = 0;
  private readonly running = new Set<string>();
  private mayEnd: () => void = () => undefined;
  private readonly drained: Promise<void>;
  private readonly subscription: LogSubscription;

  constructor(private readonly log: EventLog) {
    this.subscription = log.subscribe({ afterSequence: 0, aggregateTypes: ['run', 'claim'] });
    this.drained = new Promise((resolve) => {
      this.mayEnd = resolve;
    });
    void this.follow();
  }

  async drain(runs: number, say: (line: string) => void, patienceMs: number): Promise<void> {
    this.mayEnd();
    let told = 0;
    const startedMs = Date.now();
    await until(
      'all runs have started and ended',
      () => {
        const { length } = this.started;
        if (length - told >= 1_000) {
          say(`${length} have started after ${(Date.now() - startedMs) / 1_000} s`);
        }
        told = length - (length % 1_000);
        if (length >= runs && this.running.size === 0) return true;
        throw new Error(`${length} have started, now ${[...this.running].join()} runs`);
      },
      { timeoutMs: patienceMs },
    );
    await this.subscription.close();
  }

  private async follow(): Promise<void> {
    for await (const { type, data } of this.subscription) {
      if (type === 'ClaimQueued') this.order.push(data.runId);
      if (type === 'ClaimTaken' && this.order.length === 0) this.order.push(data.runId);
      if (type === 'RunStarted') this.begun(data.runId);
      if (type === 'RunClosed') this.running.delete(data.runId);
    }
  }

  private begun(runId: string): void {
    this.started.push(runId);
    this.running.add(runId);
    if (this.running.size > 1) this.together += 1;
    void this.drained.then(() => this.end(runId));
  }

  /** However long the log is away: a run that is never ended holds all others. */
  private end(runId: string): Promise<boolean> {
    const ended = event('RunCompleted', { runId, site });
    const tell = async () => {
      await append(this.log, 'outcome', runId, ended);
      return true;
    };
    return until(`the end of ${runId} is in the log`, tell, { timeoutMs: hourMs });
  }
}

async function seed(log: EventLog): Promise<void> {
  const members = Array.from({ length: 6 }, (_, index) => ({ node: `paris-${index + 1}` }));
  const segment = { segment: 'paris', leader: 'paris-1', members };
  await append(log, 'segment', 'paris', event('SegmentChanged', segment));
  await append(log, 'site', site, event('SiteCreated', { site, staging: '/srv' }));
  const membership = { membership: { case: 'all', value: true } } as const;
  await append(log, 'group', site, event('GroupCreated', { group: site, site, membership }));
}

async function append(log: EventLog, type: AggregateType, id: string, happened: DomainEvent) {
  const context = { actor: 'test', correlationId: id, causationId: `overlap-${type}-${id}` };
  await log.append({ type, id }, noEvents, [happened], context, Date.now());
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>) {
  const left = [...items];
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: askedAtOnce }, worker));
}
