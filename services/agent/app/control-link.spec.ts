import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  NextLeaderReplySchema,
  NextLeaderRequestSchema,
  SegmentStatusSchema,
  SignedReportSchema,
} from '#libs/contracts/index.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { until } from '#test/support/until.js';
import { ReportSpool } from '../adapters/report-spool.js';
import type { ChannelListener, ControlWay, OpenableWay } from './control-channel.js';
import { ControlLink } from './control-link.js';

/** A way that can be barred, and what went over it. */
class Way implements OpenableWay {
  isBarred = false;
  openChannels = 0;
  readonly delivered: string[] = [];
  listener: ChannelListener | undefined;

  constructor(readonly way: ControlWay) {}

  readonly open = async (listener: ChannelListener) => {
    if (this.isBarred) throw new Error('barred');
    this.listener = listener;
    this.openChannels++;
    return {
      ask: async () => new Uint8Array(),
      deliver: async ({ id }: { id: string }) => {
        if (this.isBarred) throw new Error('barred');
        this.delivered.push(id);
      },
      close: async () => {
        this.openChannels--;
      },
    };
  };
}

describe('the link of a leader', () => {
  let directory: string;
  let clock: VirtualClock;
  let nats: Way;
  let https: Way;
  let link: ControlLink;
  let lines: string[];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'espalier-link-'));
    clock = new VirtualClock();
    nats = new Way('nats');
    https = new Way('https');
    lines = [];
    link = await linkOn(directory);
  });

  afterEach(async () => {
    await link.close();
    await rm(directory, { recursive: true, force: true });
  });

  const linkOn = async (spool: string) =>
    new ControlLink({
      ways: [nats, https],
      spool: await ReportSpool.open(spool),
      clock,
      onNotification: () => undefined,
      segmentStatus: () => create(SegmentStatusSchema, {}),
      log: (line) => lines.push(line),
    });

  /** Lets promises and the disk go on, without time passing. */
  const settle = async (isDone: () => boolean) => {
    for (let turn = 0; turn < 2_000 && !isDone(); turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(isDone()).toBe(true);
  };
  const untilReachedBy = (way: ControlWay) =>
    settle(() => lines.some((line) => line.endsWith(`is reached by ${way}`)));
  const report = (id: string) =>
    link.report({ id, kind: 'received', report: create(SignedReportSchema, { node: id }) });

  test('goes the best way that leads to the control plane', async () => {
    link.connect();
    await settle(() => nats.openChannels === 1);
    expect(https.openChannels).toBe(0);
  });

  test('goes another way where the best is barred, and back when it is free', async () => {
    nats.isBarred = true;
    link.connect();
    await untilReachedBy('https');
    nats.isBarred = false;
    clock.advance(60_000);
    await settle(() => nats.openChannels === 1 && https.openChannels === 0);
  });

  test('leaves a way that is lost for long, and stays on one that comes back soon', async () => {
    link.connect();
    await untilReachedBy('nats');
    nats.listener?.down('cut');
    clock.advance(4_999);
    nats.listener?.up();
    clock.advance(60_000);
    expect(nats.openChannels).toBe(1);
    nats.isBarred = true;
    nats.listener?.down('cut');
    clock.advance(5_000);
    await settle(() => https.openChannels === 1 && nats.openChannels === 0);
  });

  test('keeps reports until they are delivered, in their order, whatever the way', async () => {
    await report('1');
    link.connect();
    await settle(() => nats.delivered.length === 1);
    nats.isBarred = true;
    await report('2');
    await report('3');
    nats.listener?.down('cut');
    clock.advance(5_000);
    await untilReachedBy('https');
    await settle(() => https.delivered.length === 2);
    expect([nats.delivered, https.delivered]).toEqual([['1'], ['2', '3']]);
  });

  test('says once that the control plane is away, and tries for ever', async () => {
    nats.isBarred = true;
    https.isBarred = true;
    link.connect();
    await settle(() => lines.length === 2);
    for (let second = 0; second < 20; second++) {
      clock.advance(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    https.isBarred = false;
    for (let second = 0; second < 5; second++) {
      clock.advance(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await settle(() => https.openChannels === 1);
  });

  test('keeps reports of ten minutes without the control plane, over a restart too', async () => {
    nats.isBarred = true;
    https.isBarred = true;
    link.connect();
    for (let second = 0; second < 600; second++) {
      if (second % 60 === 0) await report(`minute-${second / 60}`);
      if (second === 300) {
        await link.close();
        link = await linkOn(directory);
        link.connect();
      }
      clock.advance(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect([...nats.delivered, ...https.delivered]).toEqual([]);
    expect((await ReportSpool.open(directory)).waiting().length).toBe(10);
    nats.isBarred = false;
    await until('all are delivered', () => {
      clock.advance(1_000);
      return nats.delivered.length === 10;
    });
    expect(nats.delivered).toEqual(Array.from({ length: 10 }, (_, minute) => `minute-${minute}`));
    await until('nothing waits', async () => {
      return (await ReportSpool.open(directory)).waiting().length === 0;
    });
  });

  test('asks nobody while it is not connected', async () => {
    const request = create(NextLeaderRequestSchema, {});
    await expect(link.nextLeader(request)).rejects.toThrow('not connected');
    link.connect();
    await settle(() => nats.openChannels === 1);
    await untilReachedBy('nats');
    expect(await link.nextLeader(request)).toEqual(create(NextLeaderReplySchema, {}));
  });

  test('is closed for good when its agent leads no more', async () => {
    link.connect();
    await settle(() => nats.openChannels === 1);
    await link.close();
    clock.advance(120_000);
    await settle(() => nats.openChannels === 0 && https.openChannels === 0);
  });
});
