import type { ChildProcess } from 'node:child_process';
import { parseArgs } from 'node:util';
import { connect } from '@nats-io/transport-node';
import {
  type AggregateType,
  type DomainEvent,
  event,
  JobType,
  type RecordedEvent,
} from '#libs/contracts/index.js';
import { openJetStreamLog } from '#libs/event-log/adapters/jetstream/jetstream-log.js';
import { type EventLog, noEvents } from '#libs/event-log/event-log.js';
import { silentLogger } from '#libs/telemetry/logger.js';
import { startScheduler } from '../support/scheduler-replicas.js';
import { withNats } from '../support/servers.js';

// Jobs that are due in the same second, on real replicas of the scheduler: how late each begins
// (its run started, or was queued), and whether one began twice. One replica may be killed.

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '10000' },
    due: { type: 'string', default: '100' },
    replicas: { type: 'string', default: '1' },
    /** How long after the time at which the jobs are due the first replica is killed. */
    'kill-after-ms': { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const [jobs, due, replicas] = [values.jobs, values.due, values.replicas].map(Number) as [
  number,
  number,
  number,
];
const killAfterMs =
  values['kill-after-ms'] === undefined ? undefined : Number(values['kill-after-ms']);
const sites = Math.ceil(due / 2);
const leadMs = 6_000;
const appendsAtOnce = 64;

let appended = 0;
async function append(log: EventLog, type: AggregateType, id: string, happened: DomainEvent) {
  const context = { actor: 'bench', correlationId: id, causationId: `bench-${appended++}` };
  await log.append({ type, id }, noEvents, [happened], context, Date.now());
}

async function inParallel(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: appendsAtOnce }, worker));
}

function jobDue(log: EventLog, job: string, site: string, atMs: number): Promise<void> {
  const trigger = { case: 'at', value: { atMs: BigInt(atMs) } } as const;
  const spec = { site, type: JobType.PUBLISH, triggers: [{ trigger }] };
  return append(log, 'job', job, event('JobCreated', { job, spec }));
}

async function seed(log: EventLog): Promise<void> {
  const members = [{ node: 'paris-1' }, { node: 'paris-2' }];
  const segment = { segment: 'paris', leader: 'paris-1', members };
  await append(log, 'segment', 'paris', event('SegmentChanged', segment));
  const membership = { membership: { case: 'all', value: true } } as const;
  await inParallel(sites, async (index) => {
    const site = `site-${index}`;
    await append(log, 'site', site, event('SiteCreated', { site, staging: '/srv' }));
    await append(log, 'group', site, event('GroupCreated', { group: site, site, membership }));
  });
  const later = Date.now() + 24 * 60 * 60_000;
  await inParallel(jobs - due, (index) =>
    jobDue(log, `later-${index}`, `site-${index % sites}`, later + index),
  );
}

/** Follows which runs of jobs begin; a time is that at which the event is here, not its own. */
function watchBeginnings(log: EventLog, afterSequence: number) {
  const jobOf = new Map<string, string>();
  const runs = new Map<string, Set<string>>();
  const beganAtMs = new Map<string, number>();
  const subscription = log.subscribe({ afterSequence, aggregateTypes: ['run'] });
  const follow = async () => {
    for await (const happened of subscription) {
      const { type, data } = happened as RecordedEvent;
      if (type === 'RunRequested' && data.terms?.job) {
        const { job } = data.terms;
        jobOf.set(data.runId, job);
        runs.set(job, (runs.get(job) ?? new Set()).add(data.runId));
      } else if (type === 'RunStarted' || type === 'RunQueued') {
        const job = jobOf.get(data.runId);
        if (job && !beganAtMs.has(job)) beganAtMs.set(job, Date.now());
      }
    }
  };
  void follow();
  const twice = () => [...runs.values()].filter((ids) => ids.size > 1).length;
  return { beganAtMs, twice, close: () => subscription.close() };
}

const server = await withNats();
const children: ChildProcess[] = [];
const nats = await connect({ servers: server.url, user: server.user, pass: server.password });
try {
  const log = await openJetStreamLog(nats, {
    allowLazySync: false,
    monitorUrl: server.monitorUrl,
    logger: silentLogger,
  });
  await seed(log);
  const env = { ESPALIER_RUNS_AT_ONCE: String(jobs), ESPALIER_RUNS_PER_LINK: String(jobs) };
  for (let index = 0; index < replicas; index++) children.push(await startScheduler(server, env));
  const watch = watchBeginnings(log, await log.lastSequence());
  const dueMs = Math.ceil((Date.now() + leadMs) / 1_000) * 1_000;
  await inParallel(due, (index) =>
    // Half of them want the same site.
    jobDue(log, `due-${index}`, index % 2 ? 'site-0' : `site-${index / 2}`, dueMs),
  );
  if (killAfterMs !== undefined) {
    setTimeout(() => children[0]?.kill('SIGKILL'), dueMs + killAfterMs - Date.now());
  }
  await new Promise((resolve) => setTimeout(resolve, dueMs + 3_000 - Date.now()));
  await watch.close();
  const twice = watch.twice();
  const lateMs = [...watch.beganAtMs.values()].map((atMs) => atMs - dueMs).sort((a, b) => a - b);
  const at = (share: number) =>
    lateMs[Math.min(lateMs.length - 1, Math.floor(lateMs.length * share))];
  const result = {
    ...{ jobs, due, replicas, killAfterMs, began: lateMs.length, twice },
    lateMs: { min: lateMs[0], p50: at(0.5), p99: at(0.99), max: lateMs.at(-1) },
    limitMs: 1_000,
  };
  console.log(values.json ? JSON.stringify(result) : result);
  const isMet = lateMs.length === due && twice === 0 && (lateMs.at(-1) ?? Infinity) <= 1_000;
  process.exitCode = isMet ? 0 : 1;
} finally {
  for (const child of children) child.kill('SIGKILL');
  await nats.close();
  await server.stop();
}
