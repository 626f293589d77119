import type { LoggerService } from '@nestjs/common';
import type { Logger } from '#libs/telemetry/logger.js';

/** Nest's own messages in the log of the service; what it says at start is for debugging. */
export function nestLogger(logger: Logger): LoggerService {
  return {
    log: (message, ...rest) => logger.debug(String(message), contextOf(rest)),
    debug: (message, ...rest) => logger.debug(String(message), contextOf(rest)),
    verbose: (message, ...rest) => logger.debug(String(message), contextOf(rest)),
    warn: (message, ...rest) => logger.warn(String(message), contextOf(rest)),
    error: (message, ...rest) => logger.error(String(message), contextOf(rest)),
    fatal: (message, ...rest) => logger.error(String(message), contextOf(rest)),
  };
}

function contextOf(rest: readonly unknown[]): Record<string, unknown> {
  const [context, ...details] = [...rest].reverse();
  return { ...(context ? { context } : {}), ...(details.length > 0 ? { details } : {}) };
}
