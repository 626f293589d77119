import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { uuidv7 } from 'uuidv7';
import { type RecordedEvent, toCloudEvent } from '#libs/contracts/index.js';
import { openJetStreamLog } from '#libs/event-log/adapters/jetstream/jetstream-log.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import { until } from '../../support/until.js';
import { ReplicatedFleet } from './fleet.js';
import { jobOutcomes } from './outcomes.js';
import { RunTimes } from './run-times.js';
import { SimulatedSegment } from './simulated-agents.js';
import { judge, type SeenEvent, type Verdict } from './verdict.js';

export interface StormOptions {
  readonly seed: number;
  readonly minutes: number;
  /** Sites, each of which has one run under way at all times. */
  readonly sites: number;
  readonly segments: number;
  readonly replicas: number;
  /** Between kills, on average. */
  readonly killEveryMs: number;
  readonly log: (line: string) => void;
}

export interface StormResult extends Verdict {
  readonly runs: number;
  readonly kills: number;
  readonly killed: Readonly<Record<string, number>>;
  readonly events: number;
  /** The longest that a run took from its start to its commit, and from there to its end. */
  readonly longestSeconds: { readonly prepare: number; readonly switch: number };
  readonly auditSound: boolean;
}

const requestTimeoutMs = 20_000;
/** Longer than a run may take to prepare and to switch: one that is not over then hangs. */
const settleTimeoutMs = 900_000;

/** Runs under kills, then peace, then judgement. */
export async function storm(options: StormOptions): Promise<StormResult> {
  const fleet = await ReplicatedFleet.start(options.replicas);
  const { url: servers, user, password: pass, monitorUrl } = fleet.nats;
  const forEver = { maxReconnectAttempts: -1, ignoreAuthErrorAbort: true };
  const nats = await connect({ servers, user, pass, ...forEver });
  const segments = Array.from({ length: options.segments }, (_, index) => {
    const name = `segment-${index + 1}`;
    return new SimulatedSegment(name, [`${name}-a`, `${name}-b`]);
  });
  try {
    const log = await openJetStreamLog(nats, { allowLazySync: false, monitorUrl });
    for (const segment of segments) await segment.start(fleet.gatewayUrl, fleet.joinToken);
    return await new Storm(options, fleet, log, segments).blow();
  } finally {
    for (const segment of segments) await segment.close();
    await nats.close();
    await fleet.close();
  }
}

class Storm {
  private readonly random: () => number;
  /** What somebody was told is in the log: sequence -> event id; empty where it is not known. */
  private readonly acknowledged = new Map<number, string>();
  private readonly runs: string[] = [];
  private readonly ended = new Set<string>();
  private readonly waiting = new Map<string, () => void>();
  private readonly killed: Record<string, number> = {};
  private isOver = false;

  constructor(
    private readonly options: StormOptions,
    private readonly fleet: ReplicatedFleet,
    private readonly log: EventLog,
    private readonly segments: readonly SimulatedSegment[],
  ) {
    this.random = seededRandom(options.seed);
  }

  async blow(): Promise<StormResult> {
    const { log } = this.options;
    const subscription = this.log.subscribe({ afterSequence: 0 });
    const watching = this.watch(subscription);
    try {
      await this.createSites();
      log(`${this.options.sites} sites, ${this.segments.length} segments: the storm begins`);
      const ends = Date.now() + this.options.minutes * 60_000;
      const drivers = Array.from({ length: this.options.sites }, (_, site) => this.drive(site));
      await Promise.all([
        ...drivers,
        this.killUntil(ends).then(() => {
          this.isOver = true;
          log(`${this.kills} kills, ${this.runs.length} runs: waiting for the ends`);
        }),
      ]);
      await this.fleet.untilReady();
    } finally {
      await subscription.close();
      await watching;
    }
    return this.judge();
  }

  private get kills(): number {
    return Object.values(this.killed).reduce((sum, count) => sum + count, 0);
  }

  private async judge(): Promise<StormResult> {
    const events: SeenEvent[] = [];
    const times = new RunTimes();
    for await (const event of this.log.replay({ afterSequence: 0 })) {
      events.push(seen(event));
      times.add(event);
    }
    const effects = this.segments.flatMap((segment) => segment.effects);
    const verdict = judge(events, this.acknowledged, effects, this.runs);
    const audit = await this.post<{ sound: boolean }>('audit/verify', {}, uuidv7());
    const { runs, kills, killed } = this;
    const auditSound = audit.sound;
    const { longestSeconds } = times;
    const counted = { killed, events: events.length, longestSeconds, auditSound };
    return { runs: runs.length, kills, ...verdict, ...counted };
  }

  /** Remembers every event that a reader was given, and who waits for the end of a run. */
  private async watch(events: AsyncIterable<RecordedEvent>): Promise<void> {
    for await (const event of events) {
      this.acknowledged.set(event.sequence, event.id);
      if (!(event.type in jobOutcomes)) continue;
      const runId = event.context.correlationId;
      this.ended.add(runId);
      this.waiting.get(runId)?.();
    }
  }

  private async createSites(): Promise<void> {
    for (let site = 0; site < this.options.sites; site++) {
      const name = `site-${site}`;
      const staging = join(this.fleet.directory, 'staging', name);
      await mkdir(staging, { recursive: true });
      await this.command('sites', { site: name, staging });
      await this.command('groups', { group: name, site: name, membership: { all: true } });
    }
  }

  /** One run after the other, each with new content, until the storm is over. */
  private async drive(number: number): Promise<void> {
    const site = `site-${number}`;
    for (let edit = 1; !this.isOver; edit++) {
      const file = join(this.fleet.directory, 'staging', site, 'index.html');
      await writeFile(file, `<p>${site}, edit ${edit}</p>`);
      const runId = uuidv7();
      this.runs.push(runId);
      await this.command('runs', { runId, site, type: 'JOB_TYPE_PUBLISH' });
      await this.untilEnded(runId);
    }
  }

  private async untilEnded(runId: string): Promise<void> {
    if (this.ended.has(runId)) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, settleTimeoutMs);
      this.waiting.set(runId, () => {
        clearTimeout(timer);
        resolve();
      });
    });
    this.waiting.delete(runId);
  }

  /** Repeats one command under one id until it is accepted; then it must be in the log for ever. */
  private async command(path: string, body: object): Promise<void> {
    const id = uuidv7();
    const reply = await until(
      `${path} is accepted`,
      () => this.post<{ sequence: string | number }>(path, body, id),
      { timeoutMs: settleTimeoutMs, intervalMs: 300 },
    );
    const sequence = Number(reply.sequence);
    if (sequence > 0 && !this.acknowledged.has(sequence)) this.acknowledged.set(sequence, '');
  }

  private async post<T>(path: string, body: object, id: string): Promise<T> {
    const response = await fetch(`${this.fleet.gatewayUrl()}/api/v1/${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'espalier-actor': 'chaos',
        'idempotency-key': id,
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(requestTimeoutMs),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`HTTP ${response.status} ${text}`);
    return JSON.parse(text) as T;
  }

  /** Services more often than the two servers that all of them need. */
  private async killUntil(endMs: number): Promise<void> {
    const { victims } = this.fleet;
    while (Date.now() < endMs) {
      const pauseMs = this.options.killEveryMs * (0.3 + 1.4 * this.random());
      await new Promise((resolve) => setTimeout(resolve, Math.min(pauseMs, endMs - Date.now())));
      const victim = victims[Math.floor(this.random() * victims.length)] ?? '';
      if (!(await this.fleet.kill(victim))) continue;
      const name = victim.replace(/-\d+$/, '');
      this.killed[name] = (this.killed[name] ?? 0) + 1;
    }
  }
}

function seen(event: RecordedEvent): SeenEvent {
  const { sequence, id, type, aggregate, version, context } = event;
  const data = toCloudEvent(event).data as Record<string, unknown>;
  const key = `${aggregate.type}.${aggregate.id}`;
  return { sequence, id, type, aggregate: key, version, runId: context.correlationId, data };
}
