import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import {
  type AssignmentHeader,
  type LiveVersion,
  LiveVersionSchema,
} from '#libs/contracts/host.js';
import type { SiteState } from '#libs/interpreter/recover.js';

/** The version with the assignment's tree: the one with that sequence, or the newest. */
export function versionWith(
  state: SiteState,
  header: AssignmentHeader,
  sequence: number,
): number | undefined {
  const digest = Buffer.from(header.resultTreeDigest).toString('hex');
  const versions = [...state.prepared, ...(state.live ? [state.live] : [])]
    .filter(({ treeDigest }) => treeDigest === digest)
    .map((version) => version.sequence)
    .sort((a, b) => b - a);
  return versions.includes(sequence) ? sequence : versions[0];
}

/** What a server registers of the sites that it serves. */
export function liveVersionsOf(sites: ReadonlyMap<string, SiteState>): LiveVersion[] {
  return [...sites].flatMap(([site, { live, prepared }]) =>
    live
      ? [
          create(LiveVersionSchema, {
            site,
            sequence: BigInt(live.sequence),
            treeDigest: Buffer.from(live.treeDigest, 'hex'),
            keptTrees: prepared
              .filter(({ treeDigest }) => treeDigest !== '')
              .map(({ treeDigest }) => beginningOf(treeDigest)),
          }),
        ]
      : [],
  );
}

export function sitesIn(root: string): string[] {
  try {
    return readdirSync(join(root, 'sites'));
  } catch {
    return [];
  }
}

/** Enough to tell a site's trees apart. */
function beginningOf(treeDigest: string): Uint8Array {
  return Buffer.from(treeDigest.slice(0, 16), 'hex');
}
