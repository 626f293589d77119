import { context, trace } from '@opentelemetry/api';
import type { Clock } from '#libs/clock/clock.js';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes structured messages: a sentence for people, fields for machines. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to every message. */
  with(fields: LogFields): Logger;
}

const order: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** One JSON object per line, with the ids of the active trace; nothing below `level`. */
export function jsonLogger(
  write: (line: string) => void,
  clock: Clock,
  level: LogLevel = 'info',
  fields: LogFields = {},
): Logger {
  const at =
    (messageLevel: LogLevel) =>
    (message: string, more: LogFields = {}) => {
      if (order.indexOf(messageLevel) < order.indexOf(level)) return;
      const time = new Date(clock.nowMs()).toISOString();
      const line = { time, level: messageLevel, message, ...fields, ...more, ...traceIds() };
      write(`${JSON.stringify(line, plain)}\n`);
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    with: (more) => jsonLogger(write, clock, level, { ...fields, ...more }),
  };
}

function traceIds(): LogFields {
  const span = trace.getSpanContext(context.active());
  return span ? { trace_id: span.traceId, span_id: span.spanId } : {};
}

/** Says nothing. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  with: () => silentLogger,
};

/** The name and message of anything thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (!(value instanceof Error)) return value;
  const { name, message, stack, cause } = value;
  return { name, message, stack, ...(cause === undefined ? {} : { cause }) };
}
