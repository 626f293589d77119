import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import {
  NextLeaderRequestSchema,
  type Notification,
  NotificationSchema,
  PeersRequestSchema,
  SegmentStatusSchema,
  SignedReportSchema,
  subjects,
} from '#libs/contracts/index.js';
import type {
  ChannelListener,
  ControlChannel,
  OpenChannel,
} from '#services/agent/app/control-channel.js';
import { until } from '../support/until.js';

/** The other end of the channels: what services do over NATS. */
export interface ControlSide {
  readonly nats: NatsConnection;
  readonly manager: JetStreamManager;
  /** Cuts and restores what the channel goes over. */
  interrupt(): Promise<void>;
  restore(): Promise<void>;
}

const node = 'paris-1';
const notification = create(NotificationSchema, { assignmentId: 'www-1', segment: 'paris' });
const request = toBinary(
  NextLeaderRequestSchema,
  create(NextLeaderRequestSchema, { assignmentId: 'www-1', segment: 'paris', leader: node }),
);
const peersRequest = toBinary(
  PeersRequestSchema,
  create(PeersRequestSchema, { segment: 'paris', leader: node }),
);

/** What every way to the control plane does. */
export function controlChannelSuite(
  name: string,
  open: () => OpenChannel,
  side: () => ControlSide,
): void {
  describe(`the ${name} channel`, () => {
    let channel: ControlChannel;
    let told: Notification[];
    let turns: string[];
    const listener: ChannelListener = {
      notified: (each) => told.push(each),
      segmentStatus: () => create(SegmentStatusSchema, { segment: 'paris', sessions: 7 }),
      down: () => turns.push('down'),
      up: () => turns.push('up'),
    };

    beforeEach(async () => {
      told = [];
      turns = [];
      channel = await open()(listener);
    });

    afterEach(async () => {
      await channel.close();
    });

    /** As the planner does: again until it is confirmed. */
    const notify = () =>
      until('the notification is confirmed', async () => {
        const payload = toBinary(NotificationSchema, notification);
        const subject = subjects.agentNotification(node);
        return side()
          .nats.request(subject, payload, { timeout: 1_000 })
          .catch(() => undefined);
      });

    const stored = async (id: string) => {
      const { nats, manager } = side();
      await nats.flush();
      const { state } = await manager.streams.info('INGRESS', { subjects_filter: '>' });
      return state.subjects?.[subjects.ingressOf(id, 'received')] ?? 0;
    };

    const report = (id: string) => {
      const signed = create(SignedReportSchema, { node, payload: Buffer.from(id) });
      return { id, kind: 'received' as const, report: signed };
    };

    test('brings a notification and confirms it', async () => {
      await notify();
      expect(told[0]).toEqual(notification);
    });

    test('answers how the segment is', async () => {
      const answer = await until('the status comes', () =>
        side()
          .nats.request(subjects.segmentStatus(node), new Uint8Array(), { timeout: 1_000 })
          .catch(() => undefined),
      );
      expect(fromBinary(SegmentStatusSchema, answer.data)).toMatchObject({ sessions: 7 });
    });

    test('carries a question to the planner and its answer back', async () => {
      const subject = subjects.agentRequest('tree-planner', 'next', node);
      const asked: Uint8Array[] = [];
      const subscription = side().nats.subscribe(subject, {
        callback: (_error, message) => {
          asked.push(message.data);
          message.respond(Buffer.from('nobody'));
        },
      });
      await side().nats.flush();
      const answer = await channel.ask('next', request);
      expect(asked.map((each) => Buffer.from(each))).toEqual([Buffer.from(request)]);
      expect(Buffer.from(answer).toString()).toBe('nobody');
      subscription.unsubscribe();
    });

    test('fails a question that nobody answers', async () => {
      await expect(channel.ask('peers', peersRequest)).rejects.toThrow();
    });

    test('delivers a report once, also when it is sent again', async () => {
      const before = await stored(node);
      await channel.deliver(report(`${name}-report-1`));
      await channel.deliver(report(`${name}-report-1`));
      await channel.deliver(report(`${name}-report-2`));
      expect(await stored(node)).toBe(before + 2);
    });

    test('says when it is down, and works again when it is up', async () => {
      const before = await stored(node);
      await side().interrupt();
      await until('it is down', () => turns.includes('down'));
      await expect(channel.deliver(report(`${name}-lost`))).rejects.toThrow();
      await side().restore();
      await until('it is up', () => turns.includes('up'));
      await channel.deliver(report(`${name}-lost`));
      await notify();
      expect(await stored(node)).toBe(before + 1);
      expect(turns).toEqual(['down', 'up']);
    });

    test('hears nothing after it was closed', async () => {
      await channel.close();
      const { nats } = side();
      const payload = toBinary(NotificationSchema, notification);
      const subject = subjects.agentNotification(node);
      await expect(nats.request(subject, payload, { timeout: 300 })).rejects.toThrow();
      expect(told).toEqual([]);
    });
  });
}
