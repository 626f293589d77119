import { describe, expect, test } from '@jest/globals';
import { signCredential } from '#libs/keys/credential.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { retireAfterMs, SegmentKeyRing, settleMs } from '#libs/keys/segment-key-ring.js';
import {
  ControlEnd,
  leaving,
  testEnrolments,
  testSegmentKey,
} from '#libs/testkit/control-frames.js';
import { conflictMs } from './boot-order.js';
import { frameTypes } from './sealed-frame.js';
import { maxSkewMs, signControl } from './signed-control.js';

const hourMs = 3_600_000;

function pair(clock = { nowMs: 1_000_000 }) {
  return { clock, a: new ControlEnd('a', clock), b: new ControlEnd('b', clock) };
}

describe('a control frame', () => {
  test('is heard as the word of who signed it', () => {
    const { a, b } = pair();
    expect(b.hear(a.say())).toMatchObject({ node: 'a', message: leaving('a') });
  });

  test('is dropped when any single bit of it was flipped', () => {
    const { a, b } = pair();
    const frame = a.say();
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const flipped = Buffer.from(frame);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(b.hear(flipped, `10.0.${bit >> 6}.1`)).toHaveProperty('dropped');
    }
    expect(b.hear(frame)).toHaveProperty('message');
  });

  test('of a member that speaks in another name, with its own key, is an impostor', () => {
    const { clock, b } = pair();
    const mallory = testEnrolments.identityOf('mallory', 'lan');
    const asLeader = new ControlEnd('a', clock, testSegmentKey, 'lan', mallory);
    expect(b.hear(asLeader.say())).toEqual({ dropped: 'impostor' });
  });

  test('with the right credential and a wrong signature is an impostor', () => {
    const { clock, b } = pair();
    const { credential } = testEnrolments.identityOf('a', 'lan');
    const key = signingKeyFromPem(generatePrivateKeyPem());
    const thief = new ControlEnd('a', clock, testSegmentKey, 'lan', { key, credential });
    expect(b.hear(thief.say())).toEqual({ dropped: 'impostor' });
  });

  test('of who was never enrolled, or in another segment, is an impostor', () => {
    const { clock, b } = pair();
    const key = signingKeyFromPem(generatePrivateKeyPem());
    const own = signCredential(key, { node: 'x', segment: 'lan', publicKey: key.publicKey });
    const stranger = new ControlEnd('x', clock, testSegmentKey, 'lan', { key, credential: own });
    expect(b.hear(stranger.say())).toEqual({ dropped: 'impostor' });
    const elsewhere = testEnrolments.identityOf('a', 'wan');
    const moved = new ControlEnd('a', clock, testSegmentKey, 'lan', elsewhere);
    expect(b.hear(moved.say())).toEqual({ dropped: 'impostor' });
  });

  test('whose signed words an insider puts into a frame of its own is an impostor', () => {
    const { clock, a, b } = pair();
    const words = signControl(a.identity, Buffer.alloc(40), leaving('a'), clock.nowMs);
    expect(b.hear(a.sealer.seal(frameTypes.control, words))).toEqual({ dropped: 'impostor' });
  });

  test('that is no signed message is malformed', () => {
    const { a, b } = pair();
    const frame = a.sealer.seal(frameTypes.control, Buffer.from([0xff, 0xff, 0xff]));
    expect(b.hear(frame)).toEqual({ dropped: 'malformed' });
  });
});

describe('a captured frame', () => {
  test('is heard once', () => {
    const { a, b } = pair();
    const frame = a.say();
    b.hear(frame);
    expect(b.hear(frame)).toEqual({ dropped: 'replayed' });
  });

  test.each([1_000, hourMs])('%d ms later, after a restart of both ends, is stale', (laterMs) => {
    const { clock, a, b } = pair();
    const frames = Array.from({ length: 50 }, () => a.say());
    for (const frame of frames) expect(b.hear(frame)).toHaveProperty('message');
    clock.nowMs += laterMs;
    const after = { a: new ControlEnd('a', clock), b: new ControlEnd('b', clock) };
    expect(after.b.hear(after.a.say())).toHaveProperty('message');
    for (const frame of frames) expect(after.b.hear(frame)).toEqual({ dropped: 'stale' });
  });

  test('of an earlier boot that was never heard before is stale', () => {
    const { clock, a, b } = pair();
    const unheard = a.say();
    clock.nowMs += 100;
    expect(b.hear(new ControlEnd('a', clock).say())).toHaveProperty('message');
    expect(b.hear(unheard)).toEqual({ dropped: 'stale' });
  });

  test('from a clock that is too far off is stale, not forged', () => {
    const { clock, b } = pair();
    const ahead = new ControlEnd('a', { nowMs: clock.nowMs + maxSkewMs + 1 });
    expect(b.hear(ahead.say())).toEqual({ dropped: 'stale' });
    const within = new ControlEnd('c', { nowMs: clock.nowMs + maxSkewMs - 1 });
    expect(b.hear(within.say())).toHaveProperty('message');
  });
});

describe('two living agents of one name', () => {
  test('are told from a restart, and named until one of them is silent for a while', () => {
    const { clock, a, b } = pair();
    const twin = new ControlEnd('a', clock);
    const conflict = { dropped: 'duplicate', conflict: 'a' };
    b.hear(a.say());
    clock.nowMs += 1_000;
    expect(b.hear(twin.say())).toHaveProperty('message');
    clock.nowMs += 1_000;
    expect(b.hear(a.say())).toEqual(conflict);
    clock.nowMs += 1_000;
    expect(b.hear(twin.say())).toEqual(conflict);
    clock.nowMs += conflictMs;
    expect(b.hear(twin.say())).toHaveProperty('message');
  });

  test('hear of each other themselves', () => {
    const { clock, a } = pair();
    const twin = new ControlEnd('a', clock);
    clock.nowMs += 1;
    expect(a.hear(twin.say())).toEqual({ dropped: 'duplicate', conflict: 'a' });
    expect(twin.hear(a.say())).toEqual({ dropped: 'duplicate', conflict: 'a' });
  });

  test('are not seen by an agent in its own former boot', () => {
    const { clock, a } = pair();
    const last = a.say();
    clock.nowMs += 1_000;
    expect(new ControlEnd('a', clock).hear(last)).toEqual({ dropped: 'stale' });
  });
});

describe('a rotation of the segment key', () => {
  const first = { ...testSegmentKey, useFromMs: 0 };
  const second = { epoch: 2, key: new Uint8Array(32).fill(10), useFromMs: 2_000_000 };

  function ends() {
    const clock = { nowMs: 1_000_000 };
    const ring = (...keys: (typeof first)[]) => new SegmentKeyRing(keys, () => clock.nowMs);
    const rings = { a: ring(first, second), b: ring(first) };
    return {
      clock,
      rings,
      a: new ControlEnd('a', clock, rings.a),
      b: new ControlEnd('b', clock, rings.b),
    };
  }

  test('cuts nobody off: who has not got the next key is heard and hears until it is used', () => {
    const { clock, rings, a, b } = ends();
    expect(b.hear(a.say())).toHaveProperty('message');
    clock.nowMs = second.useFromMs;
    expect(b.hear(a.say())).toEqual({ dropped: 'unknown-epoch' });
    expect(a.hear(b.say())).toHaveProperty('message');
    rings.b.replace([first, second]);
    expect(b.hear(a.say())).toHaveProperty('message');
    expect(a.hear(b.say())).toHaveProperty('message');
    expect(rings.b.epoch).toBe(1);
    clock.nowMs += settleMs;
    expect(rings.b.epoch).toBe(2);
    expect(a.hear(b.say())).toHaveProperty('message');
  });

  test('ends the former key a while after the next came into use', () => {
    const { clock, a, b } = ends();
    clock.nowMs = second.useFromMs + retireAfterMs - 1;
    expect(a.hear(b.say())).toHaveProperty('message');
    clock.nowMs += 1;
    expect(a.hear(b.say())).toEqual({ dropped: 'stale' });
  });
});
