import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { fromBinary } from '@bufbuild/protobuf';
import type { Cancel, Clock } from '#libs/clock/clock.js';
import {
  type AssignmentReport,
  AssignmentReportSchema,
  type LiveVersion,
  LiveVersionSchema,
  NodeStatus,
} from '#libs/contracts/index.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';
import { type AssignmentExecutor, type ControlClock, failedReport } from '../app/executor.js';
import { sitesIn } from '../app/site-versions.js';
import { headStartMs, untilTime } from '../app/until-due.js';
import type { ExecuteRequest, ExecutorMessage, ExecutorStart } from './executor-messages.js';

export interface ExecutorThreadOptions extends ExecutorStart {
  readonly clock: Clock;
  readonly controlClock: () => ControlClock;
  /** Called when another version of a site went live. */
  readonly onLiveChanged: () => void;
  /** How long the thread is kept without work; 10 s when it is not given. */
  readonly idleMs?: number;
}

/** A thread costs 25 MB of memory and 0.1 s to start: kept for a burst, not for a day. */
const defaultIdleMs = 10_000;
/**
 * Of the thread: commands by the ten thousand are short-lived objects, and its memory goes with it.
 * The agent's own is small, by an option of the process that no limit of a thread overrides.
 */
const semiSpaceMb = 16;

interface Pending {
  readonly assignmentId: string;
  /** With its report, or with the time at which it is due. */
  readonly settle: (outcome: AssignmentReport | number) => void;
}

/**
 * Executes on a thread of its own, which ends when it is idle. When it ends otherwise, what it was
 * at fails. The next assignment starts another one, which recovers.
 */
export class ExecutorThread implements AssignmentExecutor {
  private readonly reports = new Map<string, AssignmentReport>();
  private readonly pending = new Map<number, Pending>();
  private live: LiveVersion[] = [];
  private lastId = 0;
  private cancelRest: Cancel = () => undefined;
  /** Undefined when the thread has ended; the next assignment starts another. */
  private worker: Worker | undefined;
  private opening: Promise<Worker> | undefined;

  private constructor(private readonly options: ExecutorThreadOptions) {}

  /** Mends what a crash left, then is ready. @throws with the reason when it cannot start */
  static async start(options: ExecutorThreadOptions): Promise<ExecutorThread> {
    const thread = new ExecutorThread(options);
    // A new server has nothing to mend.
    if (sitesIn(options.root).length > 0) await thread.open();
    return thread;
  }

  /** False while it rests. */
  get isRunning(): boolean {
    return this.worker !== undefined;
  }

  liveVersions(): LiveVersion[] {
    return this.live;
  }

  reportOf(assignmentId: string): AssignmentReport | undefined {
    return this.reports.get(assignmentId);
  }

  async execute(assignmentId: string, containerPath: string): Promise<AssignmentReport> {
    const known = this.reports.get(assignmentId);
    if (known) return known;
    const { clock, controlClock } = this.options;
    try {
      for (;;) {
        const worker = this.worker ?? (await this.openOnce());
        const outcome = await this.ask(worker, assignmentId, containerPath);
        if (typeof outcome !== 'number') return outcome;
        await untilTime(outcome - headStartMs, clock, controlClock);
      }
    } catch (error) {
      const { name, message } = error as Error;
      return failedReport(this.options.node, assignmentId, `${name}: ${message}`);
    }
  }

  /** Ends the thread, wherever it is: a version is complete or not there. */
  async close(): Promise<void> {
    this.cancelRest();
    await this.worker?.terminate();
  }

  private ask(
    worker: Worker,
    assignmentId: string,
    path: string,
  ): Promise<AssignmentReport | number> {
    this.lastId += 1;
    const controlClock = this.options.controlClock();
    this.cancelRest();
    const trust = snapshot(this.options.trust);
    const request = { id: this.lastId, assignmentId, containerPath: path, controlClock, trust };
    return new Promise((settle) => {
      this.pending.set(request.id, { assignmentId, settle });
      worker.postMessage(request satisfies ExecuteRequest);
    });
  }

  private openOnce(): Promise<Worker> {
    this.opening ??= this.open().finally(() => {
      this.opening = undefined;
    });
    return this.opening;
  }

  private open(): Promise<Worker> {
    const { root, node, agreementKey } = this.options;
    // Each request brings those who are trusted then.
    const trust = { keys: [], threshold: 1 };
    const workerData: ExecutorStart = { root, node, trust, agreementKey };
    const script = new URL('./executor-worker.js', import.meta.url);
    // Files are opened by native calls too, of which Node knows nothing.
    setFlagsFromString(`--max-semi-space-size=${semiSpaceMb}`);
    const worker = new Worker(script, { workerData, trackUnmanagedFds: false });
    return new Promise((resolve, reject) => {
      worker.on('error', reject);
      worker.on('message', (message: ExecutorMessage) => {
        if (message.kind === 'started') {
          this.worker = worker;
          this.restSoon();
          resolve(worker);
        }
        if (message.kind === 'refused') {
          reject(Object.assign(new Error(message.message), { name: message.name }));
        }
        this.receive(message);
      });
      worker.once('exit', (code) => {
        reject(new Error(`the executor's thread ended with ${code}`));
        if (this.worker === worker) this.ended();
      });
    });
  }

  private receive(message: ExecutorMessage): void {
    if (message.kind === 'refused') return;
    if (message.kind === 'executed') {
      this.settle(message.id, fromBinary(AssignmentReportSchema, message.report));
      return;
    }
    if (message.kind === 'not-due') {
      this.settle(message.id, message.atMs);
      return;
    }
    this.live = message.live.map((bytes) => fromBinary(LiveVersionSchema, bytes));
    if (message.kind === 'live-changed') this.options.onLiveChanged();
  }

  private settle(id: number, outcome: AssignmentReport | number): void {
    const pending = this.pending.get(id);
    this.pending.delete(id);
    const report = typeof outcome === 'number' ? undefined : outcome;
    if (report && report.status !== NodeStatus.FAILED) {
      this.reports.set(report.assignmentId, report);
    }
    pending?.settle(outcome);
    this.restSoon();
  }

  private restSoon(): void {
    this.cancelRest();
    const { clock, idleMs = defaultIdleMs } = this.options;
    this.cancelRest = clock.schedule(idleMs, () => {
      if (this.pending.size > 0) return;
      void this.worker?.terminate();
      this.worker = undefined;
    });
  }

  private ended(): void {
    this.worker = undefined;
    const { node } = this.options;
    for (const [id, { assignmentId }] of this.pending) {
      this.settle(id, failedReport(node, assignmentId, "the executor's thread ended"));
    }
  }
}

/** What another thread can be told. @throws AssignmentRefused `expired` */
function snapshot({ keys, threshold }: TrustRoot): TrustRoot {
  return { keys: [...keys], threshold };
}
