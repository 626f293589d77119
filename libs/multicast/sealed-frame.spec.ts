import { describe, expect, test } from '@jest/globals';
import {
  type DropReason,
  FrameOpener,
  FrameSealer,
  frameOverheadBytes,
  frameTypes,
  shortHash,
} from './sealed-frame.js';

const segmentKey = { epoch: 3, key: new Uint8Array(32).fill(7) };
const payload = Buffer.from('some words for the segment');

function pair(): { sealer: FrameSealer; opener: FrameOpener } {
  return {
    sealer: new FrameSealer('lan', 'a', segmentKey),
    opener: new FrameOpener(frameTypes.control, 'lan', 'b', segmentKey),
  };
}

function expectDropped(opener: FrameOpener, frame: Uint8Array, reason: DropReason): void {
  const before = opener.dropped[reason];
  expect(opener.open(frame)).toBeUndefined();
  expect(opener.dropped[reason]).toBe(before + 1);
}

describe('a sealed frame', () => {
  test('opens to what was sealed, with its sender and number', () => {
    const { sealer, opener } = pair();
    sealer.seal(frameTypes.control, payload);
    const opened = opener.open(sealer.seal(frameTypes.control, payload));
    expect(Buffer.from(opened?.payload ?? []).equals(payload)).toBe(true);
    expect(opened?.sender).toBe(shortHash('a').toString('hex'));
    expect(opened?.sequence).toBe(1n);
  });

  test('has the documented size and does not show its payload', () => {
    const frame = pair().sealer.seal(frameTypes.control, payload);
    expect(frame.length).toBe(payload.length + frameOverheadBytes);
    expect(frame.includes(payload.subarray(0, 8))).toBe(false);
  });

  test('in parts is the same frame as in one piece', () => {
    const whole = new FrameSealer('lan', 'a', segmentKey, 5n);
    const parted = new FrameSealer('lan', 'a', segmentKey, 5n);
    const parts = parted.sealParts(frameTypes.data, [payload.subarray(0, 5), payload.subarray(5)]);
    expect(Buffer.concat(parts).equals(whole.seal(frameTypes.data, payload))).toBe(true);
  });

  test('two sealers of one node never share a key', () => {
    const frames = [1, 2].map(() => pair().sealer.seal(frameTypes.control, payload));
    expect(frames[0]?.subarray(40).equals(frames[1]?.subarray(40) ?? payload)).toBe(false);
  });

  test('is dropped when any single bit was flipped', () => {
    const { sealer, opener } = pair();
    const frame = sealer.seal(frameTypes.control, payload);
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const flipped = Buffer.from(frame);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(opener.open(flipped)).toBeUndefined();
    }
    expect(opener.open(frame)).toBeDefined();
  });

  test('is dropped when it is too short, or no frame at all', () => {
    const { sealer, opener } = pair();
    const frame = sealer.seal(frameTypes.control, payload);
    expectDropped(opener, frame.subarray(0, frameOverheadBytes - 1), 'malformed');
    expectDropped(opener, new Uint8Array(0), 'malformed');
    expectDropped(opener, Buffer.alloc(200, 0x20), 'malformed');
    expectDropped(opener, frame.subarray(0, frame.length - 1), 'forged');
  });

  test('is dropped by another segment, epoch, type, key, and by its own sender', () => {
    const frame = pair().sealer.seal(frameTypes.control, payload);
    const { control, data } = frameTypes;
    const otherKey = { epoch: 3, key: new Uint8Array(32).fill(8) };
    const newer = { ...segmentKey, epoch: 4 };
    const older = { ...segmentKey, epoch: 2 };
    expectDropped(new FrameOpener(control, 'wan', 'b', segmentKey), frame, 'other-segment');
    expectDropped(new FrameOpener(control, 'lan', 'b', newer), frame, 'stale');
    expectDropped(new FrameOpener(control, 'lan', 'b', older), frame, 'unknown-epoch');
    expectDropped(new FrameOpener(data, 'lan', 'b', segmentKey), frame, 'other-type');
    expectDropped(new FrameOpener(control, 'lan', 'b', otherKey), frame, 'forged');
    expectDropped(new FrameOpener(control, 'lan', 'a', segmentKey), frame, 'own');
  });
});

describe('the replay window', () => {
  test('takes each frame once, in any order within the window', () => {
    const { sealer, opener } = pair();
    const frames = Array.from({ length: 2_000 }, () => sealer.seal(frameTypes.control, payload));
    const shuffled = frames.map((frame, index) => ({ frame, key: (index * 7919) % 2_000 }));
    shuffled.sort((left, right) => left.key - right.key);
    for (const { frame } of shuffled) expect(opener.open(frame)).toBeDefined();
    for (const { frame } of shuffled) expectDropped(opener, frame, 'replayed');
  });

  test('drops what is older than the window without trying to open it', () => {
    const { sealer, opener } = pair();
    const first = sealer.seal(frameTypes.control, payload);
    let last = first;
    for (let count = 0; count < 5_000; count++) last = sealer.seal(frameTypes.control, payload);
    expect(opener.open(last)).toBeDefined();
    expectDropped(opener, first, 'replayed');
  });

  test('a forged frame with a high number does not move it', () => {
    const { sealer, opener } = pair();
    expect(opener.open(sealer.seal(frameTypes.control, payload))).toBeDefined();
    const forged = sealer.seal(frameTypes.control, payload);
    forged.writeBigUInt64BE(2n ** 60n, 32);
    expectDropped(opener, forged, 'forged');
    expect(opener.open(sealer.seal(frameTypes.control, payload))).toBeDefined();
  });

  test('is one per boot: a restarted sender is heard at once', () => {
    const { sealer, opener } = pair();
    for (let count = 0; count < 10; count++) {
      expect(opener.open(sealer.seal(frameTypes.control, payload))).toBeDefined();
    }
    const restarted = new FrameSealer('lan', 'a', segmentKey);
    expect(opener.open(restarted.seal(frameTypes.control, payload))?.sequence).toBe(0n);
  });
});
