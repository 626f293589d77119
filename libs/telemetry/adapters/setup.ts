import type { IncomingMessage, ServerResponse } from 'node:http';
import { gauge, turnOnMetrics } from '../metrics.js';

/** OpenTelemetry at work in this process. */
export interface Telemetry {
  /** Answers a scrape of Prometheus; undefined where metrics are off or have their own port. */
  readonly scrape?: (request: IncomingMessage, response: ServerResponse) => void;
  /** Sends what waits. */
  close(): Promise<void>;
}

const off: Telemetry = { close: async () => undefined };

/**
 * Sets OpenTelemetry up as its environment variables say; nothing of its SDK is loaded before that:
 *
 * - `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`: traces, by OTLP over
 *   HTTP; `OTEL_TRACES_EXPORTER=none` turns them off.
 * - `OTEL_METRICS_EXPORTER=prometheus` or `none`; `otherwise` where it is not set.
 * - `OTEL_EXPORTER_PROMETHEUS_PORT` (and `_HOST`): a listener of its own for scrapes.
 * - `OTEL_SDK_DISABLED=true`: nothing at all. `OTEL_SERVICE_NAME` names the process otherwise.
 */
export async function startTelemetry(
  service: string,
  env: NodeJS.ProcessEnv,
  otherwise: 'prometheus' | 'none',
): Promise<Telemetry> {
  if (env.OTEL_SDK_DISABLED === 'true') return off;
  const endpoint = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT;
  const wantsTraces = Boolean(endpoint) && env.OTEL_TRACES_EXPORTER !== 'none';
  const wantsMetrics = (env.OTEL_METRICS_EXPORTER || otherwise) === 'prometheus';
  if (!wantsTraces && !wantsMetrics) return off;
  const name = env.OTEL_SERVICE_NAME || `espalier-${service}`;
  const traces = wantsTraces ? await startTraces(name) : undefined;
  const metrics = wantsMetrics ? await startMetrics(name, env) : undefined;
  return {
    ...(metrics?.scrape ? { scrape: metrics.scrape } : {}),
    close: async () => {
      await Promise.allSettled([traces?.(), metrics?.close()]);
    },
  };
}

async function resourceOf(name: string) {
  const { defaultResource, detectResources, envDetector, resourceFromAttributes } = await import(
    '@opentelemetry/resources'
  );
  return defaultResource()
    .merge(resourceFromAttributes({ 'service.name': name }))
    .merge(detectResources({ detectors: [envDetector] }));
}

/** @returns what sends the rest and ends */
async function startTraces(name: string): Promise<() => Promise<void>> {
  const { BatchSpanProcessor, NodeTracerProvider } = await import('@opentelemetry/sdk-trace-node');
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  const provider = new NodeTracerProvider({
    resource: await resourceOf(name),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  provider.register();
  return () => provider.shutdown();
}

async function startMetrics(name: string, env: NodeJS.ProcessEnv) {
  const { metrics } = await import('@opentelemetry/api');
  const { MeterProvider } = await import('@opentelemetry/sdk-metrics');
  const { PrometheusExporter } = await import('@opentelemetry/exporter-prometheus');
  const port = Number(env.OTEL_EXPORTER_PROMETHEUS_PORT || 0);
  const exporter = new PrometheusExporter({
    preventServerStart: port === 0,
    ...(port > 0 ? { port } : {}),
    host: env.OTEL_EXPORTER_PROMETHEUS_HOST || '127.0.0.1',
    withoutScopeInfo: true,
  });
  const provider = new MeterProvider({ resource: await resourceOf(name), readers: [exporter] });
  metrics.setGlobalMeterProvider(provider);
  gauge('process_resident_memory_bytes', 'Memory of the process', () => process.memoryUsage.rss());
  gauge('process_cpu_seconds', 'CPU time that the process has used', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  gauge('process_uptime_seconds', 'Since the process was started', () => process.uptime());
  turnOnMetrics();
  return {
    ...(port === 0
      ? { scrape: exporter.getMetricsRequestHandler.bind(exporter) as Telemetry['scrape'] }
      : {}),
    close: () => provider.shutdown(),
  };
}
