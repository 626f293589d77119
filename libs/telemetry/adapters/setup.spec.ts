import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findFreePort } from '#deploy/embedded/free-port.js';
import { type OtlpCollector, otlpCollector, type Posted } from '#test/support/otlp-collector.js';
import { until } from '#test/support/until.js';

/** Set up in a process of its own: what is global in a test's process stays as it is. */
const program = `
  import { startTelemetry } from '#libs/telemetry/adapters/setup.js';
  import { jsonLogger } from '#libs/telemetry/logger.js';
  import { systemClock } from '#libs/clock/adapters/system-clock.js';
  import { logWriter } from '#libs/telemetry/adapters/log-file.js';
  import { count, observeSeconds } from '#libs/telemetry/metrics.js';
  import { inSpanOf, currentTraceparent } from '#libs/telemetry/trace-context.js';
  const telemetry = await startTelemetry('probe', process.env, 'none');
  const logger = jsonLogger(logWriter(process.env), systemClock);
  const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  await inSpanOf(parent, 'process RunStarted', {}, async () => {
    count('probes', 'Probes', { kind: 'first' }, 3);
    observeSeconds('probe', 'How long', 0.02);
    logger.info('in a span');
    process.stdout.write('traceparent ' + (currentTraceparent() ?? 'none') + '\\n');
  });
  process.stdin.on('data', () => telemetry.close().then(() => process.exit(0)));
`;

let collector: OtlpCollector;

beforeAll(async () => {
  collector = await otlpCollector();
});
afterAll(() => collector.close());

function run(env: NodeJS.ProcessEnv) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...process.env, ...env },
  });
  const output = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.err += text;
  });
  return {
    output,
    end: () =>
      new Promise<number | null>((resolve) => {
        child.once('close', resolve);
        child.stdin.write('end\n');
      }),
  };
}

describe('telemetry', () => {
  it('continues a trace from elsewhere, exports it, and puts its id into the log', async () => {
    const { output, end } = run({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    });
    await until('the span is over', () => output.out.includes('traceparent 00-'));
    expect(output.out).toContain('00-0af7651916cd43dd8448eb211c80319c-');
    const line = JSON.parse(
      output.err.split('\n').find((text) => text.includes('in a span')) ?? '',
    );
    expect(line).toMatchObject({ trace_id: '0af7651916cd43dd8448eb211c80319c' });
    expect(await end()).toBe(0);
    const { path, body } = collector.posted[0] as Posted;
    expect(path).toBe('/v1/traces');
    expect(JSON.parse(body).resourceSpans[0].scopeSpans[0].spans[0]).toMatchObject({
      name: 'process RunStarted',
      traceId: '0af7651916cd43dd8448eb211c80319c',
      parentSpanId: 'b7ad6b7169203331',
    });
  }, 60_000);

  it('exposes metrics for Prometheus under espalier_ names', async () => {
    const port = await findFreePort();
    const { output, end } = run({
      OTEL_METRICS_EXPORTER: 'prometheus',
      OTEL_EXPORTER_PROMETHEUS_PORT: String(port),
    });
    await until('it runs', () => output.out.includes('traceparent'));
    const text = await until('it answers', async () =>
      (await fetch(`http://127.0.0.1:${port}/metrics`)).text(),
    );
    expect(text).toMatch(/^espalier_probes_total\{kind="first"\} 3/m);
    expect(text).toMatch(/^espalier_probe_seconds_count 1/m);
    expect(text).toMatch(/^espalier_process_resident_memory_bytes \d+/m);
    expect(await end()).toBe(0);
  }, 60_000);

  it('does nothing, and traces nothing, where the environment asks for nothing', async () => {
    const { output, end } = run({ OTEL_EXPORTER_OTLP_ENDPOINT: '', OTEL_METRICS_EXPORTER: '' });
    await until('it runs', () => output.out.includes('traceparent'));
    expect(output.out).toContain('traceparent none');
    expect(await end()).toBe(0);
  }, 60_000);
});
