import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ControlPlane } from '#test/support/control-plane.js';
import { type OtlpCollector, otlpCollector } from '#test/support/otlp-collector.js';
import { until } from '#test/support/until.js';

const timeoutMs = 120_000;

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly attributes: readonly { key: string; value: { stringValue?: string } }[];
}

interface Exported {
  readonly resourceSpans?: readonly { scopeSpans: readonly { spans: readonly Span[] }[] }[];
}

describe('a trace', () => {
  let collector: OtlpCollector;
  let plane: ControlPlane;

  beforeAll(async () => {
    collector = await otlpCollector();
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_BSP_SCHEDULE_DELAY: '200',
    };
    plane = await ControlPlane.start({ segments: 1, nodes: 3, env });
  }, timeoutMs);
  afterAll(async () => {
    await plane?.close();
    collector?.close();
  }, timeoutMs);

  const spans = () =>
    collector.posted.flatMap(({ body }) => {
      const { resourceSpans = [] } = JSON.parse(body) as Exported;
      return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
    });
  const attribute = (span: Span, name: string) =>
    span.attributes.find(({ key }) => key === name)?.value.stringValue;

  test(
    'follows one run through the services, the leader of a segment and its members',
    async () => {
      const staging = await plane.createSite('www');
      writeFileSync(join(staging, 'index.html'), 'traced');
      const { runId, status, nodes } = await plane.publish('www');
      expect(status).toBe('completed');
      const started = await until('the run began in a span', () =>
        spans().find((span) => {
          const isOfRun = attribute(span, 'espalier.correlation.id') === runId;
          return isOfRun && span.name === 'process RunStarted';
        }),
      );
      const { traceId } = started;
      const ofRun = () => spans().filter((span) => span.traceId === traceId);
      const members = () => ofRun().filter(({ name }) => name === 'execute assignment');
      // Every server prepares and switches.
      await until('all servers told theirs', () => members().length >= 2 * nodes.length);
      const servers = new Set(members().map((span) => attribute(span, 'espalier.node')));
      expect([...servers].sort()).toEqual([...plane.nodes].sort());
      for (const event of ['ChangeSetComputed', 'AssignmentBuilt', 'SegmentPrepared']) {
        await until(`${event} was told`, () =>
          ofRun().some(({ name }) => name === `process ${event}`),
        );
      }
      // A leader's span ends after those of its members.
      await until("leaders' spans are their parents", () => {
        const leaders = ofRun().filter(({ name }) => name === 'distribute assignment');
        const ofLeaders = new Set(leaders.map(({ spanId }) => spanId));
        return members().every(({ parentSpanId = '' }) => ofLeaders.has(parentSpanId));
      });
    },
    timeoutMs,
  );
});
