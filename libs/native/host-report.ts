import { type NativeCapabilities, probeNative } from './capabilities.js';
import { hasOpenat2 } from './openat2.js';
import { canExchange } from './renameat2.js';
import { openUdpSocket } from './udp-socket.js';

/** All that this host can do natively, for people to read. */
export interface HostReport extends NativeCapabilities {
  /** The kernel resolves whole paths below a directory. */
  readonly openat2: boolean;
  /** Two names are exchanged in one step. */
  readonly renameat2: boolean;
  /** The kernel cuts and joins datagrams: UDP_SEGMENT and UDP_GRO. */
  readonly udpOffload: boolean;
}

/** Probes what was not probed yet; opens a socket for a moment. */
export function reportHost(): HostReport {
  const udp = openUdpSocket({
    ...{ address: '127.0.0.1', port: 0, shared: false, joinsReceived: true },
    ...{ receiveBufferBytes: 65_536, sendBufferBytes: 65_536, segmentBytes: 1_000 },
  });
  udp?.close();
  return {
    ...probeNative(),
    openat2: hasOpenat2(),
    renameat2: canExchange(),
    udpOffload: udp !== undefined,
  };
}
