import type { RunBudget } from './domain/budget.js';

/** How long the scheduler gives a run. */
export interface SchedulerConfig {
  /** From the start of a run until servers that have not prepared it are missed. */
  readonly prepareTimeoutMs: number;
  /** From the commit until servers that have not switched are missed. */
  readonly switchTimeoutMs: number;
  /**
   * From the moment when a server may have become stale until it is brought up, so that servers
   * that come together are brought up together. 0: servers are brought up on demand only.
   */
  readonly repairDelayMs: number;
  /** Runs under way at once, from here and into one segment; more wait. */
  readonly budget: RunBudget;
}

export const defaultSchedulerConfig: SchedulerConfig = {
  prepareTimeoutMs: 10 * 60_000,
  switchTimeoutMs: 2 * 60_000,
  repairDelayMs: 3_000,
  budget: { perOrigin: 256, perLink: 32 },
};

/** Thrown for a time limit or a budget that is no positive whole number. */
export class InvalidTimeout extends Error {
  override readonly name = 'InvalidTimeout';
}

/** @throws InvalidTimeout */
export function schedulerConfig(env: NodeJS.ProcessEnv): SchedulerConfig {
  return {
    prepareTimeoutMs: durationMs(
      env,
      'ESPALIER_PREPARE_TIMEOUT_MS',
      defaultSchedulerConfig.prepareTimeoutMs,
    ),
    switchTimeoutMs: durationMs(
      env,
      'ESPALIER_SWITCH_TIMEOUT_MS',
      defaultSchedulerConfig.switchTimeoutMs,
    ),
    repairDelayMs:
      env.ESPALIER_REPAIR_DELAY_MS === '0'
        ? 0
        : durationMs(env, 'ESPALIER_REPAIR_DELAY_MS', defaultSchedulerConfig.repairDelayMs),
    budget: {
      perOrigin: count(env, 'ESPALIER_RUNS_AT_ONCE', defaultSchedulerConfig.budget.perOrigin),
      perLink: count(env, 'ESPALIER_RUNS_PER_LINK', defaultSchedulerConfig.budget.perLink),
    },
  };
}

function count(env: NodeJS.ProcessEnv, name: string, otherwise: number): number {
  return positive(env, name, otherwise, 'number');
}

function durationMs(env: NodeJS.ProcessEnv, name: string, otherwise: number): number {
  return positive(env, name, otherwise, 'number of milliseconds');
}

function positive(env: NodeJS.ProcessEnv, name: string, otherwise: number, what: string): number {
  const text = env[name];
  if (text === undefined || text === '') return otherwise;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidTimeout(`${name} is ${text}, not a positive whole ${what}`);
}
