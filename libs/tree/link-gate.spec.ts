import { describe, expect, test } from '@jest/globals';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { LinkGate, type LinkGateOptions, weightOf } from './link-gate.js';
import { BadLinkLimit, limitAt, linkLimitsIn } from './link-limits.js';

const kib = 1_024;

function gate(options: Partial<LinkGateOptions> = {}) {
  const clock = new VirtualClock(0);
  const own = { clock, limitAt: () => undefined, mostUnderWayBytes: 64 * kib, ...options };
  return { clock, link: new LinkGate(own) };
}

/** Who passed, in order; each has passed when the next may. */
async function drain(link: LinkGate, asked: readonly [flow: string, bytes: number][]) {
  const order: string[] = [];
  const sizes: Record<string, number> = {
    small: kib,
    large: 1024 * kib * kib,
    other: kib * kib * kib,
  };
  await Promise.all(
    asked.map(async ([flow, bytes]) => {
      const passed = await link.pass(flow, weightOf(sizes[flow] ?? 1), bytes);
      order.push(flow);
      await Promise.resolve();
      passed();
    }),
  );
  return order;
}

const times = (count: number, flow: string) =>
  Array.from({ length: count }, (): [string, number] => [flow, 64 * kib]);

describe('the gate of a link', () => {
  test('a small assignment overtakes a large one that asked before', async () => {
    const { link } = gate();
    const order = await drain(link, [...times(20, 'large'), ['small', kib]]);
    expect(order.indexOf('small')).toBeLessThanOrEqual(2);
  });

  test('two large ones share it evenly, whoever asked first', async () => {
    const { link } = gate();
    const order = await drain(link, [...times(20, 'large'), ...times(20, 'other')]);
    const half = order.slice(0, 20).filter((flow) => flow === 'large').length;
    expect(half).toBeGreaterThanOrEqual(9);
    expect(half).toBeLessThanOrEqual(12);
  });

  test('a limit is kept, by the time of day', async () => {
    let limit: number | undefined = 640 * kib;
    const { clock, link } = gate({ limitAt: () => limit });
    let passed = 0;
    const pump = async () => {
      for (;;) {
        (await link.pass('large', 1, 64 * kib))();
        passed += 64 * kib;
      }
    };
    void pump();
    const second = async () => {
      const before = passed;
      for (let ms = 0; ms < 1_000; ms += 10) {
        clock.advance(10);
        for (let turn = 0; turn < 10; turn++) await Promise.resolve();
      }
      return (passed - before) / kib;
    };
    expect(await second()).toBeGreaterThanOrEqual(576);
    expect(await second()).toBe(640);
    limit = 64 * kib;
    await second();
    expect(await second()).toBeLessThanOrEqual(128);
  });

  test('what a reader does not take does not keep others waiting for ever', async () => {
    const { clock, link } = gate();
    await link.pass('large', 1, 64 * kib);
    let went = false;
    void link.pass('other', 1, 64 * kib).then(() => {
      went = true;
    });
    await Promise.resolve();
    expect(went).toBe(false);
    clock.advance(200);
    await Promise.resolve();
    expect(went).toBe(true);
  });

  test('nobody passes while the process has used its share of the processor', async () => {
    let usedMs = 0;
    const { clock, link } = gate({ cpu: { share: 0.2, usedMs: () => usedMs } });
    (await link.pass('large', 1, kib))();
    usedMs = 250;
    let went = false;
    void link.pass('large', 1, kib).then(() => {
      went = true;
    });
    clock.advance(900);
    await Promise.resolve();
    expect(went).toBe(false);
    clock.advance(150);
    await Promise.resolve();
    expect(went).toBe(true);
  });
});

describe('the limits of a link', () => {
  test('hold by the time of day, over midnight too', () => {
    const limits = linkLimitsIn('80mbit,08:00-18:00=8mbit,22:00-06:00=none');
    expect(limitAt(limits, 7 * 60 + 59)).toBe(10_000_000);
    expect(limitAt(limits, 8 * 60)).toBe(1_000_000);
    expect(limitAt(limits, 23 * 60)).toBeUndefined();
    expect(limitAt(limits, 5 * 60)).toBeUndefined();
    expect(limitAt(limits, 6 * 60)).toBe(10_000_000);
  });

  test.each(['5', '5 mbit', '25:00-26:00=5mbit', '-1mbit', ''])('%p is refused', (text) => {
    expect(() => linkLimitsIn(text)).toThrow(BadLinkLimit);
  });
});
