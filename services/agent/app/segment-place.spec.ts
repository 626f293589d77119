import { describe, expect, test } from '@jest/globals';
import type { UdpAddress } from '#libs/multicast/control-port.js';
import { type Movable, SegmentPlace } from './segment-place.js';

const home = { address: '239.255.1.2', port: 20_000 };

class FakeChannel implements Movable {
  dropped: Record<string, number> = { malformed: 0, forged: 0, own: 0 };
  at: UdpAddress = home;
  group = () => this.at;
  moveTo = async (group: UdpAddress) => {
    this.at = group;
  };
}

function place() {
  const channel = new FakeChannel();
  const lines: string[] = [];
  return { channel, lines, place: new SegmentPlace(channel, home, (line) => lines.push(line), 0) };
}

describe('the place where a segment talks', () => {
  test('is home as long as it is quiet there, own frames aside', () => {
    const { channel, place: at } = place();
    channel.dropped = { malformed: 100, forged: 0, own: 1_000_000 };
    at.watch(15_000);
    expect(at.moved()).toBeUndefined();
  });

  test('is another when strangers fill it, and yet another when they follow', () => {
    const { channel, lines, place: at } = place();
    channel.dropped = { malformed: 60_000, forged: 0, own: 0 };
    at.watch(15_000);
    const first = at.moved();
    expect(first).toBeDefined();
    expect(lines).toEqual([expect.stringContaining('4000 strange frames/s')]);
    channel.dropped = { malformed: 60_000, forged: 60_000, own: 0 };
    at.watch(30_000);
    expect(at.moved()).not.toEqual(first);
    at.watch(45_000);
    expect(lines).toHaveLength(2);
  });

  test('is where the leader says, and home when it says nothing', () => {
    const { place: at } = place();
    at.follow({ address: '239.255.9.9', port: 20_000 });
    expect(at.moved()).toEqual({ address: '239.255.9.9', port: 20_000 });
    at.follow(undefined);
    expect(at.moved()).toBeUndefined();
  });

  test('is never outside the site, even if the leader says so', () => {
    const { place: at } = place();
    at.follow({ address: '8.8.8.8', port: 53 });
    expect(at.moved()).toBeUndefined();
  });
});
