import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type AggregateType,
  CreateGroupSchema,
  CreateSiteSchema,
  type DomainEvent,
  event,
  JobType,
  type RecordedEvent,
  RequestRunSchema,
} from '#libs/contracts/index.js';
import { type EventLog, noEvents } from '#libs/event-log/event-log.js';
import { LogView } from '#libs/event-log/log-view.js';
import { memoryLog } from '#libs/event-log/memory-log.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { defaultSchedulerConfig } from '../config.js';
import type { RunBudget } from '../domain/budget.js';
import { evolveFleet, type Fleet, fleetAggregates, newFleet } from '../domain/fleet.js';
import { Claims } from './claims.js';
import { Endings, type RunOutcome } from './endings.js';
import { FactsGatherer } from './run-facts.js';
import { Runs } from './runs.js';
import { Scheduler } from './scheduler.js';

/** One replica of the scheduler over a log that others may share. */
export interface Replica {
  readonly fleet: LogView<Fleet>;
  readonly scheduler: Scheduler;
  readonly claims: Claims;
  readonly endings: Endings;
  readonly runs: Runs;
}

/** A log with what a scheduler needs, for the tests of its parts. */
export class SchedulerWorld {
  readonly clock = new VirtualClock(5_000);
  /** What leaders say when they are asked who is there. */
  reachable = new Set<string>();
  private commands = 0;
  private readonly views: LogView<Fleet>[] = [];

  constructor(readonly log: EventLog = memoryLog()) {}

  async replica(budget: RunBudget = defaultSchedulerConfig.budget): Promise<Replica> {
    const { log, clock } = this;
    const fleet = await LogView.start<Fleet>(log, {
      aggregateTypes: fleetAggregates,
      initial: newFleet(),
      evolve: evolveFleet,
    });
    this.views.push(fleet);
    const claims = new Claims(log);
    const endings = new Endings(log, clock, claims);
    const reachability = { reachable: async () => this.reachable };
    const facts = new FactsGatherer(log, fleet, clock, defaultSchedulerConfig, reachability);
    const runs = new Runs(log, fleet, clock, claims, facts, endings, budget);
    return { fleet, scheduler: new Scheduler(log, fleet, clock), claims, endings, runs };
  }

  async close(): Promise<void> {
    for (const view of this.views) await view.close();
  }

  caller(actor = 'cli:test') {
    return { actor, commandId: `command-${++this.commands}` };
  }

  /** A site that all servers of a segment receive. */
  async site({ scheduler }: Replica, site: string, segment = 'paris'): Promise<void> {
    const command = create(CreateSiteSchema, { site, staging: '/srv/www' });
    await scheduler.createSite(command, this.caller());
    const selector = `segment=${segment}`;
    const membership = { membership: { case: 'selector', value: selector } } as const;
    const group = create(CreateGroupSchema, { group: `${site}-group`, site, membership });
    await scheduler.createGroup(group, this.caller());
  }

  /** Registers servers of a segment with every replica that runs. */
  async servers(segment: string, ...nodes: string[]): Promise<void> {
    const members = nodes.map((node) => ({ node, capacity: { diskFreeBytes: 1_000n } }));
    const data = { segment, leader: nodes[0] ?? '', members };
    await this.append('segment', segment, event('SegmentChanged', data));
  }

  request(
    { runs }: Replica,
    number: number,
    init: MessageInitShape<typeof RequestRunSchema> = {},
    actor?: string,
  ) {
    const given = { runId: runIdOf(number), site: 'www', type: JobType.PUBLISH, ...init };
    return runs.request(create(RequestRunSchema, given as never), this.caller(actor));
  }

  /** What reporting says of the end of a run. */
  async end(number: number, site = 'www', type: RunOutcome['type'] = 'RunCompleted') {
    const runId = runIdOf(number);
    return (await this.append('outcome', runId, event(type, { runId, site }))) as RunOutcome;
  }

  async append(type: AggregateType, id: string, happened: DomainEvent): Promise<RecordedEvent> {
    const last = (await this.log.read({ type, id })).at(-1);
    const head = last ? { sequence: last.sequence, version: last.version } : noEvents;
    const context = {
      ...{ actor: 'test', correlationId: id },
      causationId: `test-${type}-${id}-${head.version}`,
    };
    const nowMs = this.clock.nowMs();
    const [recorded] = await this.log.append({ type, id }, head, [happened], context, nowMs);
    for (const view of this.views) await view.reaches(recorded?.sequence ?? 0);
    return recorded as RecordedEvent;
  }

  async eventsOf(number: number): Promise<string[]> {
    const events = await this.log.read({ type: 'run', id: runIdOf(number) });
    return events.map(({ type }) => type);
  }
}

export function runIdOf(number: number): string {
  return `01920000-0000-7000-8000-${String(number).padStart(12, '0')}`;
}
