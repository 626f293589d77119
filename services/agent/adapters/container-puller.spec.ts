import { createReadStream, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { blockBytes } from '#libs/assignment/container.js';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { stridedParts, strideIn } from '#libs/content-store/http-stride.js';
import { linkGate } from '#libs/tree/adapters/host-link.js';
import { PullFixture } from './pull-fixture.js';

const dataBytes = 40 * blockBytes + 17;
let fixture: PullFixture;

beforeEach(async () => {
  fixture = await PullFixture.make(dataBytes);
});
afterEach(() => fixture.close());

function isForHead(request: IncomingMessage): boolean {
  return /^bytes=0-/.test(request.headers.range ?? '');
}

/** The bytes that a request asks for. */
function askedOf(request: IncomingMessage): Buffer {
  const bytes = readFileSync(fixture.path);
  const stride = strideIn(request.url ?? '');
  const [, first, last] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? [];
  if (!stride) return bytes.subarray(Number(first), Number(last) + 1);
  const parts = [...stridedParts(stride, bytes.length)];
  return Buffer.concat(parts.map(({ offset, length }) => bytes.subarray(offset, offset + length)));
}

/** Serves what is asked for of the container. */
function honest(request: IncomingMessage, response: ServerResponse): void {
  const bytes = askedOf(request);
  response.writeHead(request.headers.range ? 206 : 200, { 'content-length': bytes.length });
  response.end(bytes);
}

/** One of an older version. */
function withoutStrides(request: IncomingMessage, response: ServerResponse): void {
  if (request.headers.range) honest(request, response);
  else response.writeHead(404).end();
}

/** Serves what is asked for once `open` was called. */
function gated() {
  const held: (() => void)[] = [];
  let isOpen = false;
  return {
    held,
    listener: (request: IncomingMessage, response: ServerResponse) => {
      const serve = () => honest(request, response);
      if (isOpen || isForHead(request)) serve();
      else held.push(serve);
    },
    open: () => {
      isOpen = true;
      for (const serve of held.splice(0)) serve();
    },
  };
}

function same(path: string): boolean {
  return readFileSync(path).equals(readFileSync(fixture.path));
}

describe('a pull', () => {
  test('brings the container, and a second one finds it', async () => {
    const origin = await fixture.server(honest);
    const { puller } = await fixture.agent('a');
    const pulled = await puller.pull(fixture.request(origin));
    expect(same(pulled.path)).toBe(true);
    expect(pulled).toMatchObject({ sourceUrl: origin, retries: 0 });
    expect(pulled.bytes - fixture.containerBytes).toBeLessThan(4_096);
    expect(await puller.pull(fixture.request(origin))).toMatchObject({ bytes: 0 });
  });

  test('passes blocks on before the container is whole', async () => {
    const gate = gated();
    const origin = await fixture.server(gate.listener);
    const [first, second] = [await fixture.agent('a'), await fixture.agent('b')];
    const striped = (url: string) => ({ ...fixture.request(), stripes: [[url], [url]] });
    const pulls = [
      second.puller.pull(striped(first.url)),
      first.puller.pull(striped(origin)),
    ] as const;
    const headOf = async (url: string) => {
      const headers = { range: 'bytes=0-31', prefer: 'wait=5' };
      const response = await fetch(`${url}/blobs/${fixture.digest}`, { headers });
      return `${response.status} ${await response.text()}`;
    };
    expect(await headOf(second.url)).toMatch(/^206/);
    expect(await first.spool.find(fixture.digest)).toBeUndefined();
    gate.open();
    for (const { path } of await Promise.all(pulls)) expect(same(path)).toBe(true);
  });

  test('takes each stripe from its own source, every block once', async () => {
    const urls = await Promise.all([honest, honest, honest].map((each) => fixture.server(each)));
    const { puller } = await fixture.agent('a');
    const stripes = urls.map((url) => [url]);
    const { path, bytes, links } = await puller.pull({ ...fixture.request(), stripes });
    expect(same(path)).toBe(true);
    expect(links.map(({ url }) => url).sort()).toEqual([...urls].sort());
    expect(bytes - fixture.containerBytes).toBeLessThan(4_096);
  });

  test('a source with nothing else to send helps with what another is slow to send', async () => {
    const slow = gated();
    const helped: string[] = [];
    const quick = (request: IncomingMessage, response: ServerResponse) => {
      const helps = request.headers.prefer === undefined;
      if (helps) helped.push(request.headers.range ?? '');
      if (helps) slow.open();
      honest(request, response);
    };
    const listeners = [slow.listener, quick, honest];
    const [slowUrl = '', quickUrl = '', origin = ''] = await Promise.all(
      listeners.map((listener) => fixture.server(listener)),
    );
    const { puller } = await fixture.agent('a');
    const stripes = [
      [slowUrl, origin],
      [quickUrl, origin],
    ];
    const { path, links } = await puller.pull({ ...fixture.request(), stripes });
    expect(same(path)).toBe(true);
    expect(helped.length).toBeGreaterThan(0);
    expect(links.map(({ url }) => url)).not.toContain(origin);
  });

  test('goes on by ranges where a source knows nothing else', async () => {
    const origin = await fixture.server(withoutStrides);
    const { puller } = await fixture.agent('a');
    const stripes = [[origin], [origin], [origin]];
    const { path, bytes, retries } = await puller.pull({ ...fixture.request(), stripes });
    expect(same(path)).toBe(true);
    expect(bytes - fixture.containerBytes).toBeLessThan(4_096);
    expect(retries).toBe(0);
  });

  test('a request for a block that does not come is refused in time', async () => {
    const gate = gated();
    const origin = await fixture.server(gate.listener);
    const { puller, spool, url } = await fixture.agent('a');
    const pull = puller.pull({ ...fixture.request(), stripes: [[origin], [origin]] });
    await spool.arrivingWithin(fixture.digest, 5_000);
    const headers = { range: `bytes=${fixture.containerBytes - 10}-` };
    const { status } = await fetch(`${url}/blobs/${fixture.digest}`, { headers });
    expect(status).toBe(503);
    gate.open();
    await pull;
  });

  test('what another attempt left is not fetched again', async () => {
    const origin = await fixture.server(honest);
    const { puller, spool } = await fixture.agent('a');
    const part = spool.partPath(fixture.digest);
    writeFileSync(part, readFileSync(fixture.path));
    truncateSync(part, fixture.containerBytes - 3 * blockBytes);
    const { path, bytes } = await puller.pull(fixture.request(origin));
    expect(same(path)).toBe(true);
    expect(bytes).toBeLessThanOrEqual(4 * blockBytes);
  });
});

describe('the limit of a link', () => {
  const bytesPerS = 4_000_000;
  const limited = () => linkGate({ otherwise: bytesPerS, windows: [] }, systemClock);
  test.each(['up', 'down'] as const)('holds on sockets, %s', async (way) => {
    const origin = await fixture.server(honest);
    const source = await fixture.agent('a', 1, 1e12, way === 'up' ? { up: limited() } : {});
    await source.puller.pull(fixture.request(origin));
    const taker = await fixture.agent('b', 1, 1e12, way === 'down' ? { down: limited() } : {});
    const startedMs = performance.now();
    const { path } = await taker.puller.pull(fixture.request(source.url));
    const tookMs = performance.now() - startedMs;
    expect(same(path)).toBe(true);
    const burstBytes = 1024 ** 2;
    const leastMs = ((fixture.containerBytes - burstBytes) / bytesPerS) * 1_000;
    expect(tookMs).toBeGreaterThan(leastMs);
  });
});

describe('a source that fails', () => {
  const lie = (request: IncomingMessage, response: ServerResponse) => {
    const bytes = askedOf(request);
    if (!isForHead(request)) bytes.fill(7, 0, 100);
    const status = request.headers.range ? 206 : 200;
    response.writeHead(status, { 'content-length': bytes.length }).end(bytes);
  };
  const endless = (request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(request.headers.range ? 206 : 200);
    const more = () => {
      while (response.write(Buffer.alloc(65_536)));
    };
    response.on('drain', more);
    more();
  };
  const half = (request: IncomingMessage, response: ServerResponse) => {
    const bytes = askedOf(request);
    response.writeHead(request.headers.range ? 206 : 200, { 'content-length': bytes.length });
    response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy());
  };
  const short = (request: IncomingMessage, response: ServerResponse) => {
    const bytes = askedOf(request);
    const some = bytes.subarray(0, bytes.length / 2);
    const status = request.headers.range ? 206 : 200;
    response.writeHead(status, { 'content-length': some.length }).end(some);
  };
  const loris = (request: IncomingMessage, response: ServerResponse) => {
    const { length } = askedOf(request);
    response.writeHead(request.headers.range ? 206 : 200, { 'content-length': length }).write('x');
  };
  const away = (_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
  };
  const full = (_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(404).end();
  };
  const cases: [string, (request: IncomingMessage, response: ServerResponse) => void][] = [
    ['sends wrong bytes', lie],
    ['never stops', endless],
    ['breaks off', half],
    ['ends before its end in good order', short],
    ['sends next to nothing', loris],
    ['sends elsewhere', away],
    ['has nothing, because its disk is full', full],
  ];

  test.each(cases)('and %s is replaced by another', async (_what, listener) => {
    const [bad, good] = [await fixture.server(listener), await fixture.server(honest)];
    const { puller } = await fixture.agent('a', 100);
    const { path, retries, links } = await puller.pull(fixture.request(bad, good));
    expect(same(path)).toBe(true);
    expect(retries).toBeGreaterThan(0);
    const wasted = links.reduce((sum, link) => sum + link.bytes, 0) - fixture.containerBytes;
    expect(wasted).toBeLessThan(fixture.containerBytes);
  });

  test('what it gave before it broke off is kept', async () => {
    const [bad, good] = [await fixture.server(half), await fixture.server(honest)];
    const { puller } = await fixture.agent('a', 100);
    const { links } = await puller.pull({ ...fixture.request(), stripes: [[bad, good], [good]] });
    const total = links.reduce((sum, link) => sum + link.bytes, 0);
    expect(total).toBeLessThan(fixture.containerBytes + 16 * blockBytes);
  });

  test('a signed container of another assignment is not taken for this one', async () => {
    const [origin] = [await fixture.server(honest)];
    const { puller } = await fixture.agent('a', 100);
    const pull = puller.pull({ ...fixture.request(origin), assignmentId: 'other' });
    await expect(pull).rejects.toThrow('this is assignment a');
  });

  test.each([-1, 1])(
    'a container that is longer or shorter than announced is not taken: %d',
    async (off) => {
      const origin = await fixture.server(honest);
      const { puller, spool } = await fixture.agent('a', 100);
      const request = { ...fixture.request(origin), containerBytes: fixture.containerBytes + off };
      await expect(puller.pull(request)).rejects.toThrow('the length is not as announced');
      expect(await spool.find(fixture.digest)).toBeUndefined();
    },
  );

  test('an assignment that expired on its way is not pulled', async () => {
    const late = await PullFixture.make(4 * blockBytes, 'late', 1n);
    const origin = await late.server((_request, response) => {
      response.writeHead(206, { 'content-length': late.containerBytes });
      createReadStream(late.path).pipe(response);
    });
    const { puller } = await late.agent('a');
    await expect(puller.pull(late.request(origin))).rejects.toThrow('late expired on its way');
    await late.close();
  });

  test('a container that is larger than the spool may be is refused by name', async () => {
    const origin = await fixture.server(honest);
    const { puller } = await fixture.agent('a', 1, fixture.containerBytes - 1);
    const pull = puller.pull(fixture.request(origin));
    await expect(pull).rejects.toThrow('raise --spool-budget-bytes');
  });

  test('a pull without any good source ends, and keeps no whole container', async () => {
    const bad = await fixture.server(lie);
    const { puller, spool } = await fixture.agent('a', 100);
    await expect(puller.pull(fixture.request(bad))).rejects.toThrow('not the one that was signed');
    await expect(stat(spool.containerPath(fixture.digest))).rejects.toThrow();
  });
});
