import { JetStreamApiError, JetStreamError } from '@nats-io/jetstream';
import { errors } from '@nats-io/nats-core';
import { DomainError } from '#libs/contracts/index.js';
import { reasonOf } from '#libs/telemetry/logger.js';
import { LogUnavailable } from '../../event-log.js';

const conflictCodes = new Set([10071, 10164]);
const duplicateInBatchCode = 10201;
/** Not ready, being processed, system unavailable, batch incomplete (its messages were lost). */
const passingCodes = new Set([10163, 10158, 10008, 10176]);
const firstPauseMs = 20;
const longestPauseMs = 1000;

/** How long one attempt and all of them together may take. */
export interface Patience {
  readonly attemptTimeoutMs: number;
  readonly totalTimeoutMs: number;
}

/** The server holds a message of this id already. */
export class AlreadyPublished extends Error {
  override readonly name = 'AlreadyPublished';
}

/** The subject was not as expected, or holds these very events already. */
export function isConflict(error: unknown): boolean {
  if (error instanceof AlreadyPublished) return true;
  if (!(error instanceof JetStreamApiError)) return false;
  return conflictCodes.has(error.code) || error.code === duplicateInBatchCode;
}

/**
 * Repeats what fails for a passing reason: no answer, no leader, a lost connection.
 * @throws LogUnavailable when it goes on failing, or cannot succeed; conflicts and domain errors as
 * they are
 */
export async function retrying<T>(what: string, patience: Patience, attempt: () => Promise<T>) {
  const deadlineMs = Date.now() + patience.totalTimeoutMs;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      return await attempt();
    } catch (error) {
      if (isConflict(error) || error instanceof DomainError) throw error;
      if (!isPassing(error) || Date.now() + pauseMs > deadlineMs) {
        throw new LogUnavailable(`${what} failed (${reasonOf(error)})`, { cause: error });
      }
      await pause(pauseMs);
    }
  }
}

/** Rejects with a TimeoutError when a read does not end in time. */
export async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new errors.TimeoutError()), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

export function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, durationMs);
  });
}

/** The code of a status message, e.g. 404; undefined for other errors. */
export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof JetStreamError) || !('code' in error)) return undefined;
  return Number(error.code);
}

function isPassing(error: unknown): boolean {
  if (error instanceof JetStreamApiError) {
    return passingCodes.has(error.code) || error.status === 503;
  }
  const status = statusOf(error);
  if (status !== undefined) return status === 503 || status === 408;
  return (
    (error instanceof Error && error.name === 'JetStreamNotEnabled') ||
    error instanceof errors.TimeoutError ||
    error instanceof errors.RequestError ||
    error instanceof errors.NoRespondersError ||
    error instanceof errors.ConnectionError
  );
}
