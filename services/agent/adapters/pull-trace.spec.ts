import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { PullFixture } from './pull-fixture.js';

let fixture: PullFixture;

beforeAll(async () => {
  fixture = await PullFixture.make(1_000);
});

afterAll(() => fixture.close());

test('pulls carry the trace context of their run', async () => {
  const seen: unknown[] = [];
  const bytes = readFileSync(fixture.path);
  const origin = await fixture.server(({ headers }, response) => {
    seen.push(headers.traceparent);
    const [, from = '0', to = '0'] = /bytes=(\d+)-(\d+)/.exec(headers.range ?? '') ?? [];
    response.writeHead(206).end(bytes.subarray(Number(from), Number(to) + 1));
  });
  const { puller } = await fixture.agent('paris');
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  await puller.pull({ ...fixture.request(origin), traceparent });
  expect(new Set(seen)).toEqual(new Set([traceparent]));
});
