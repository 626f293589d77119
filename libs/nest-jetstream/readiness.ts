import type { Clock } from '#libs/clock/clock.js';
import { reasonOf } from '#libs/telemetry/logger.js';

/** Why something a service needs is not there; undefined when it is. */
export type ReadinessCheck = () => Promise<string | undefined>;

export interface ReadinessReport {
  readonly ready: boolean;
  readonly reasons: string[];
}

const answerWithinMs = 2000;

/** Whether a service can do its work. Injectable, so that a module adds what else it needs. */
export class Readiness {
  private readonly checks = new Map<string, ReadinessCheck>();

  constructor(private readonly clock: Clock) {}

  add(name: string, check: ReadinessCheck): void {
    this.checks.set(name, check);
  }

  async report(): Promise<ReadinessReport> {
    const outcomes = await Promise.all(
      [...this.checks].map(([name, check]) => this.outcomeOf(name, check)),
    );
    const reasons = outcomes.filter((reason) => reason !== undefined);
    return { ready: reasons.length === 0, reasons };
  }

  private async outcomeOf(name: string, check: ReadinessCheck): Promise<string | undefined> {
    let cancel: () => void = () => undefined;
    const late = new Promise<string>((resolve) => {
      cancel = this.clock.schedule(answerWithinMs, () => resolve(`${name} does not answer`));
    });
    try {
      return await Promise.race([check(), late]);
    } catch (error) {
      return `${name}: ${reasonOf(error)}`;
    } finally {
      cancel();
    }
  }
}
