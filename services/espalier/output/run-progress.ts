import { createRequire } from 'node:module';
import type { SingleBar } from 'cli-progress';
import type { FeedEvent } from '../client/api-client.js';

type CliProgress = typeof import('cli-progress');

interface Target {
  readonly nodes?: readonly string[];
}

interface Report {
  readonly status?: string;
}

/** Shows a run's way on stderr: a bar on a terminal, one line per step elsewhere. */
export class RunProgressBar {
  private bar: SingleBar | undefined;
  private readonly byStep = {
    prepared: new Map<string, number>(),
    switched: new Map<string, number>(),
  };

  show(event: FeedEvent): void {
    const type = event.type.slice(event.type.lastIndexOf('.') + 1);
    const data = event.data as Record<string, unknown>;
    if (type === 'RunStarted') this.begin(data.targets as Target[] | undefined);
    if (type === 'SegmentPrepared') this.count('prepared', data);
    if (type === 'SegmentSwitched') this.count('switched', data);
    const words = steps[type];
    if (!words) return;
    const where = typeof data.segment === 'string' ? `${data.segment}: ` : '';
    if (this.bar) this.bar.update({ step: words });
    else process.stderr.write(`${where}${words}\n`);
  }

  stop(): void {
    this.bar?.stop();
  }

  private begin(targets: readonly Target[] = []): void {
    const nodes = targets.reduce((sum, target) => sum + (target.nodes?.length ?? 0), 0);
    if (!process.stderr.isTTY || nodes === 0) return;
    const format = '{bar} {value}/{total} steps  {step}';
    // Only terminals need it: it is not loaded elsewhere.
    const { SingleBar: Bar } = createRequire(import.meta.url)('cli-progress') as CliProgress;
    this.bar = new Bar({ format, stream: process.stderr, hideCursor: true });
    this.bar.start(nodes * 2, 0, { step: steps.RunStarted });
  }

  /** Each server has two steps: prepared, switched. */
  private count(step: 'prepared' | 'switched', data: Record<string, unknown>): void {
    const reports = (data.nodes ?? []) as readonly Report[];
    const wanted = step === 'prepared' ? 'NODE_STATUS_PREPARED' : 'NODE_STATUS_SWITCHED';
    const done = reports.filter(({ status }) => status === wanted).length;
    this.byStep[step].set(String(data.segment), done);
    const values = [...this.byStep.prepared.values(), ...this.byStep.switched.values()];
    this.bar?.update(values.reduce((sum, value) => sum + value, 0));
  }
}

const steps: Readonly<Record<string, string>> = {
  RunStarted: 'scanning the staging directory',
  ChangeSetComputed: 'content compared',
  AssignmentBuilt: 'assignment built and distributed',
  SegmentPrepared: 'servers prepared',
  CommitIssued: 'switching',
  SegmentSwitched: 'servers switched',
};
