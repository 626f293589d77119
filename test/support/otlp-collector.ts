import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What an exporter of OpenTelemetry posted: JSON, by signal (`/v1/traces`, `/v1/metrics`). */
export interface Posted {
  readonly path: string;
  readonly body: string;
}

export interface OtlpCollector {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly url: string;
  readonly posted: readonly Posted[];
  close(): void;
}

/** Takes all that is posted to it (OTLP/HTTP), on loopback. */
export async function otlpCollector(): Promise<OtlpCollector> {
  const posted: Posted[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => {
      body += part;
    });
    request.on('end', () => {
      posted.push({ path: request.url ?? '', body });
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, posted, close };
}
