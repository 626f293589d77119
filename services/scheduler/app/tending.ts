import { create } from '@bufbuild/protobuf';
import type { Cancel, Clock } from '#libs/clock/clock.js';
import {
  DomainError,
  type ExpectedQuery,
  ExpectedVersionsSchema,
  type RecordedEvent,
  RequestRunSchema,
} from '#libs/contracts/index.js';
import type { LogView } from '#libs/event-log/log-view.js';
import { type Logger, reasonOf } from '#libs/telemetry/logger.js';
import { type Fleet, registrationLagMs } from '../domain/fleet.js';
import { automaticActor } from '../domain/open-runs.js';
import {
  type Attempt,
  attemptKey,
  membersOfSite,
  nextRetryMs,
  type Repair,
  repairsDue,
  sitesOfServer,
} from '../domain/tending.js';
import type { Runs } from './runs.js';

/**
 * Brings up servers that do not serve what their sites have live: new ones, and those that missed
 * runs. Looks a moment after something happened, and again while a server cannot be brought up.
 */
export class Tending {
  private readonly attempts = new Map<string, Attempt>();
  private cancel: Cancel | undefined;
  private lookAtMs = Number.POSITIVE_INFINITY;
  private closed = false;
  /** From then on registrations count even where they contradict a report of a switch. */
  private settledAtMs = 0;

  constructor(
    private readonly fleet: Pick<LogView<Fleet>, 'state' | 'reaches'>,
    private readonly runs: Pick<Runs, 'request'>,
    private readonly clock: Clock,
    /** Servers that come together are brought up together. 0: nothing is brought up by itself. */
    private readonly delayMs: number,
    private readonly logger: Logger,
  ) {
    this.happened();
  }

  /** Something that may have made a server stale. */
  happened(_event?: RecordedEvent): void {
    if (this.delayMs === 0) return;
    const soonMs = this.clock.nowMs() + this.delayMs;
    this.settledAtMs = soonMs + registrationLagMs;
    this.lookAt(soonMs);
  }

  /** What a server that has enrolled, and will register, is to serve. */
  async expected({ node, atSequence }: ExpectedQuery) {
    await this.fleet.reaches(Number(atSequence));
    const versions = sitesOfServer(this.fleet.state, node, this.clock.nowMs()).map(
      ({ site, tree }) => ({ site, treeDigest: new Uint8Array(Buffer.from(tree, 'hex')) }),
    );
    return create(ExpectedVersionsSchema, { versions });
  }

  close(): void {
    this.closed = true;
    this.cancel?.();
  }

  /** The earliest time counts. */
  private lookAt(atMs: number): void {
    if (this.closed || atMs >= this.lookAtMs) return;
    this.cancel?.();
    this.lookAtMs = atMs;
    this.cancel = this.clock.schedule(Math.max(0, atMs - this.clock.nowMs()), () => {
      this.lookAtMs = Number.POSITIVE_INFINITY;
      void this.look();
    });
  }

  private async look(): Promise<void> {
    const nowMs = this.clock.nowMs();
    try {
      this.forgetSettled(nowMs);
      for (const repair of repairsDue(this.fleet.state, this.attempts, nowMs)) {
        await this.request(repair);
      }
    } catch (error) {
      this.logger.warn('stale servers could not be looked for', { reason: reasonOf(error) });
      this.lookAt(nowMs + this.delayMs);
    }
    if (this.settledAtMs > nowMs) this.lookAt(this.settledAtMs);
    const retryMs = nextRetryMs(this.attempts);
    if (retryMs !== undefined) this.lookAt(Math.max(retryMs, nowMs + this.delayMs));
  }

  private async request({ runId, site, type, nodes, tree }: Repair): Promise<void> {
    const command = create(RequestRunSchema, { runId, site, type, nodes: [...nodes] });
    const lastAtMs = this.clock.nowMs();
    for (const node of nodes) {
      const before = this.attempts.get(attemptKey(site, node));
      const count = before?.tree === tree ? before.count + 1 : 1;
      this.attempts.set(attemptKey(site, node), { tree, count, lastAtMs });
    }
    try {
      await this.runs.request(command, { actor: automaticActor, commandId: runId });
      this.logger.info('servers are brought up', { site, runId, nodes: nodes.join(' ') });
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      this.logger.info('servers are not brought up', { site, reason: error.message });
    }
  }

  /** Who serves what it should, or is gone, has no attempts to remember. */
  private forgetSettled(nowMs: number): void {
    const { state } = this.fleet;
    const stale = new Set<string>();
    for (const [site, tree] of state.liveTrees) {
      for (const { name, served } of membersOfSite(state, site, nowMs)) {
        if (served !== tree) stale.add(attemptKey(site, name));
      }
    }
    for (const key of this.attempts.keys()) if (!stale.has(key)) this.attempts.delete(key);
  }
}
