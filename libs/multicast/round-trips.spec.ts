import { describe, expect, test } from '@jest/globals';
import { heardEcho, noRoundTrips, unknownRoundTrip } from './round-trips.js';

const echo = { node: 'near', echoedMs: 1_000, heldMs: 0, lostFrames: 0, expectedFrames: 100 };

describe('the round trip', () => {
  test('is what has passed since the stamp left, less what the member held it', () => {
    const trip = heardEcho(noRoundTrips(), { ...echo, heldMs: 200 }, 1_240);
    expect(trip).toEqual({ wayMs: 40, standingMs: 40, longestMs: 40, isSure: false });
  });

  test('is the shortest ever without queues, the shortest of late with those that stand', () => {
    const trips = noRoundTrips();
    heardEcho(trips, echo, 1_010);
    heardEcho(trips, echo, 1_500);
    for (let report = 0; report < 8; report++) heardEcho(trips, echo, 1_060 + report);
    const trip = heardEcho(trips, echo, 1_070);
    expect(trip).toEqual({ wayMs: 10, standingMs: 61, longestMs: 70, isSure: true });
  });

  test.each([
    ['is missing', { echoedMs: 0 }],
    ['is of a time to come', { echoedMs: 2_000 }],
    ['was held longer than it is old', { heldMs: 500 }],
    ['was held for less than no time', { heldMs: -1 }],
    ['is no number', { echoedMs: Number.NaN }],
  ])('is not taken from an echo that %s', (_, wrong) => {
    expect(heardEcho(noRoundTrips(), { ...echo, ...wrong }, 1_100)).toEqual(unknownRoundTrip);
  });
});

describe('the limiting receiver', () => {
  test('is the farther of two that lose as much', () => {
    const trips = noRoundTrips();
    heardEcho(trips, echo, 1_010);
    expect(heardEcho(trips, { ...echo, node: 'far' }, 1_080).wayMs).toBe(80);
    expect(heardEcho(trips, echo, 1_010).wayMs).toBe(80);
  });

  test('is a nearer one where it loses far more', () => {
    const trips = noRoundTrips();
    heardEcho(trips, { ...echo, node: 'far' }, 1_080);
    expect(heardEcho(trips, { ...echo, lostFrames: 50 }, 1_040).wayMs).toBe(40);
  });

  test('limits no more when nothing was heard of it for a while', () => {
    const trips = noRoundTrips();
    heardEcho(trips, { ...echo, node: 'far' }, 1_080);
    expect(heardEcho(trips, { ...echo, echoedMs: 7_000 }, 7_010).wayMs).toBe(10);
  });
});
