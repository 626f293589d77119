import { createHash } from 'node:crypto';

/** The multicast groups and ports of one segment. */
export interface SegmentChannels {
  readonly controlAddress: string;
  readonly controlPort: number;
  readonly dataAddress: string;
  readonly dataPort: number;
}

const firstPort = 20_000;
const portCount = 10_000;

/**
 * Channels of a segment in the administratively scoped block 239.255/16 (RFC 2365), derived from
 * its key, so that segments of one LAN, and of several control planes on one host, do not meet.
 */
export function channelsOf(segmentKey: Uint8Array): SegmentChannels {
  const hash = createHash('sha256').update('espalier channels').update(segmentKey).digest();
  const port = firstPort + 2 * (hash.readUInt16BE(4) % (portCount / 2));
  return {
    controlAddress: `239.255.${hash[0]}.${hash[1]}`,
    controlPort: port,
    dataAddress: `239.255.${hash[2]}.${hash[3]}`,
    dataPort: port + 1,
  };
}
