import { processTree } from '../../support/process-usage.js';

/** Milliseconds of processor that a run took, by who took them. */
export interface ProcessorMs {
  /** All replicas together. */
  readonly scheduler: number;
  readonly natsServer: number;
  /** Who asks for the runs and ends them. */
  readonly bench: number;
}

const sampleMs = 500;

/** What this process and those that it started use. */
export class Usage {
  private readonly beforeBytes = this.largestReplica();
  private mostBytes = this.beforeBytes;
  private last = this.sum();
  private readonly timer = setInterval(() => {
    this.mostBytes = Math.max(this.mostBytes, this.largestReplica());
  }, sampleMs);

  /** @param pids of the replicas of the scheduler */
  constructor(private readonly pids: readonly number[]) {}

  /** What each run took since the last call, or since the start. */
  perRun(runs: number): ProcessorMs {
    const [before, now] = [this.last, this.sum()];
    this.last = now;
    const each = (part: keyof ProcessorMs) =>
      Number(((now[part] - before[part]) / runs).toFixed(2));
    return {
      scheduler: each('scheduler'),
      natsServer: each('natsServer'),
      bench: each('bench'),
    };
  }

  /** The largest replica, at the start and at most. */
  close(): { before: number; most: number } {
    clearInterval(this.timer);
    const inMiB = (bytes: number) => Math.round(bytes / 2 ** 20);
    const mostBytes = Math.max(this.mostBytes, this.largestReplica());
    return { before: inMiB(this.beforeBytes), most: inMiB(mostBytes) };
  }

  private largestReplica(): number {
    const usages = this.pids.flatMap(processTree);
    return Math.max(0, ...usages.map(({ rssBytes }) => rssBytes));
  }

  private sum(): ProcessorMs {
    const sum = { scheduler: 0, natsServer: 0, bench: 0 };
    for (const { pid, command, cpuMs } of processTree(process.pid)) {
      if (this.pids.includes(pid)) sum.scheduler += cpuMs;
      else if (command.includes('nats-server')) sum.natsServer += cpuMs;
      else if (pid === process.pid) sum.bench += cpuMs;
    }
    return sum;
  }
}
