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
 * A server that came up with less than it is to serve is out of service until it serves it, and so
 * is one that has not switched yet while the others have. What was switched since the start is
 * newer than what was expected at the start.
 * @param late site -> sequence that was live here when the others had switched
 */
export function serviceHealth(
  expected: readonly LiveVersion[],
  live: readonly LiveVersion[],
  liveAtStart: readonly LiveVersion[],
  late: ReadonlyMap<string, bigint> = new Map(),
): ServiceHealth {
  const serving = new Map(live.map((version) => [version.site, version]));
  const atStart = new Map(liveAtStart.map((version) => [version.site, version]));
  const reasons = new Map(
    expected
      .filter(({ site, treeDigest }) => {
        const now = serving.get(site);
        const isAsAtStart = now?.sequence === atStart.get(site)?.sequence;
        return isAsAtStart && Buffer.compare(now?.treeDigest ?? none, treeDigest) !== 0;
      })
      .map(({ site }) => [site, 'it is not synchronized yet']),
  );
  for (const [site, sequence] of late) {
    const isAsThen = (serving.get(site)?.sequence ?? 0n) === sequence;
    if (isAsThen) reasons.set(site, 'the others have switched');
  }
  const sites = [...new Set([...serving.keys(), ...reasons.keys()])].sort().map((site) => ({
    site,
    inService: !reasons.has(site),
    sequence: String(serving.get(site)?.sequence ?? 0n),
    reason: reasons.get(site) ?? '',
  }));
  return { inService: reasons.size === 0, sites };
}
