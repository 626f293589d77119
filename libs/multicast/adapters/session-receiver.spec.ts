import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import {
  ControlMessageSchema,
  LeaderAliveSchema,
  type SessionAnnouncement,
  SessionAnnouncementSchema,
} from '#libs/contracts/index.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import type { ReceivedControl } from '../control-port.js';
import type { DataChannel } from '../data-port.js';
import type { SessionSink } from '../session.js';
import { SessionReceiver } from './session-receiver.js';

const from = { address: '127.0.0.1', port: 9 };
const dataPort = 9_000;

function announcement(unicast: boolean): SessionAnnouncement {
  return create(SessionAnnouncementSchema, {
    sessionId: new Uint8Array(8),
    assignmentId: 'www-1',
    containerBytes: 100_000n,
    headBytes: 1_000,
    frameBytes: 1_000,
    participants: ['m'],
    pass: 1,
    dataPort,
    unicast,
  });
}

/** A member whose leader is the test. */
function member() {
  const seen: string[] = [];
  let pull: () => void = () => undefined;
  const pulled = new Promise<void>((resolve) => {
    pull = resolve;
  });
  let hear: (received: ReceivedControl) => void = () => undefined;
  const sink: SessionSink = {
    held: [],
    writeAt: () => undefined,
    readAt: (_offset, length) => new Uint8Array(length),
    verifyHead: () => false,
    verifyBlock: () => false,
    done: async () => void seen.push('done'),
    stopped: async (reason) => void seen.push(`stopped: ${reason}`),
  };
  const channel: Partial<DataChannel> = {
    onFrames: () => () => undefined,
    cipherFor: () => undefined,
    joined: () => Promise.resolve(),
  };
  const data = channel as DataChannel;
  const receiver = new SessionReceiver({
    control: {
      broadcast: () => undefined,
      send: () => undefined,
      onMessage(listener) {
        hear = listener;
        return () => undefined;
      },
    },
    openData: () => data,
    clock: new VirtualClock(),
    random: () => 0,
    node: 'm',
    wants(wanted) {
      seen.push(wanted.unicast ? 'pull' : 'receive');
      if (!wanted.unicast) return 'need';
      pull();
      return 'ignore';
    },
    openSink: async () => sink,
  });
  const leaderAlive = (unicast: boolean) => {
    const value = create(LeaderAliveSchema, { sessions: [announcement(unicast)] });
    const message = create(ControlMessageSchema, { message: { case: 'leaderAlive', value } });
    hear({ message, from, sender: '' });
  };
  return { seen, leaderAlive, receiver, pulled };
}

describe('a member in a session', () => {
  test('pulls the rest when its leader does not multicast it any more', async () => {
    const { seen, leaderAlive, receiver, pulled } = member();
    leaderAlive(false);
    leaderAlive(false);
    leaderAlive(true);
    await pulled;
    await receiver.close();
    expect(seen).toEqual(['receive', 'stopped: closed', 'pull']);
  });
});
