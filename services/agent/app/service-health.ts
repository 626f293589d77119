import type { LiveVersion } from '#libs/contracts/index.js';

/** What a load balancer is told of this server. */
export interface ServiceHealth {
  readonly inService: boolean;
  readonly sites: readonly {
    readonly site: string;
    readonly inService: boolean;
    readonly sequence: string;
    readonly reason: string;
  }[];
}

const none = new Uint8Array();

/**
 * A server that came up with less than it is to serve is out of service until it serves it. What
 * was switched since the start is newer than what was expected at the start.
 */
export function serviceHealth(
  expected: readonly LiveVersion[],
  live: readonly LiveVersion[],
  liveAtStart: readonly LiveVersion[],
): ServiceHealth {
  const serving = new Map(live.map((version) => [version.site, version]));
  const atStart = new Map(liveAtStart.map((version) => [version.site, version]));
  const missing = new Map(
    expected
      .filter(({ site, treeDigest }) => {
        const now = serving.get(site);
        const isAsAtStart = now?.sequence === atStart.get(site)?.sequence;
        return isAsAtStart && Buffer.compare(now?.treeDigest ?? none, treeDigest) !== 0;
      })
      .map(({ site }) => [site, 'it is not synchronized yet']),
  );
  const sites = [...new Set([...serving.keys(), ...missing.keys()])].sort().map((site) => ({
    site,
    inService: !missing.has(site),
    sequence: String(serving.get(site)?.sequence ?? 0n),
    reason: missing.get(site) ?? '',
  }));
  return { inService: missing.size === 0, sites };
}
