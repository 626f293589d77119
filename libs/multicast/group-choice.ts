import { createHash } from 'node:crypto';
import type { UdpAddress } from './control-port.js';

/** Content groups of a segment share so many multicast groups. */
export const dataGroupCount = 16;

/**
 * The multicast group that a content group's data goes to: hosts that are not in the content group
 * rarely join it. `base` is the segment's own data channel.
 */
export function dataGroupOf(base: UdpAddress, site: string, nodes: readonly string[]): UdpAddress {
  const name = JSON.stringify([site, ...[...nodes].sort()]);
  const [byte = 0] = createHash('sha256').update(name).digest();
  const parts = base.address.split('.').map(Number);
  const last = parts.pop() ?? 0;
  const within = (last + byte) % dataGroupCount;
  const address = [...parts, last - (last % dataGroupCount) + within].join('.');
  return { address, port: base.port };
}

/** Whether a data channel that a leader announced is one of the segment's. */
export function isDataGroup(base: UdpAddress, { address, port }: UdpAddress): boolean {
  const split = (text: string) => {
    const parts = text.split('.').map(Number);
    const last = parts.pop() ?? 0;
    return `${parts.join('.')} ${Math.floor(last / dataGroupCount)}`;
  };
  return port === base.port && split(address) === split(base.address);
}

/** The segment's nth control channel after the one that members enter by. */
export function controlGroupOf(base: UdpAddress, move: number): UdpAddress {
  const hash = createHash('sha256').update(`${base.address}:${base.port} ${move}`).digest();
  return { address: `239.255.${hash[0]}.${hash[1]}`, port: base.port };
}

/** Administratively scoped (RFC 2365): frames to it do not leave the site. */
export function isScopedGroup({ address, port }: UdpAddress): boolean {
  return /^239\.255\.\d{1,3}\.\d{1,3}$/.test(address) && port > 1_023 && port < 65_536;
}
