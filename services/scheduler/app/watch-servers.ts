import { createHash } from 'node:crypto';
import type { Cancel, Clock } from '#libs/clock/clock.js';
import type { StagedPart } from '#libs/delta/staged.js';

/** What a staging server's tree of a site looks like; undefined: it does not say. */
export type LookThere = (
  server: string,
  site: string,
  quietMs: number,
) => Promise<string | undefined>;

export interface ServedSite {
  readonly site: string;
  readonly parts: readonly StagedPart[];
  /** How long a tree is quiet before a change of it counts. */
  readonly quietMs: number;
}

const lookEveryMs = 2_000;

/**
 * Asks the staging servers of a site what they see, which they watch themselves. Calls `changed`
 * with what all its parts look like together, changed or not; while a part is away, not at all. Of
 * several servers of a part the first that answers counts. @returns ends the watch
 */
export function watchServers(
  { site, parts, quietMs }: ServedSite,
  lookThere: LookThere,
  changed: (fingerprint: string) => Promise<void>,
  clock: Clock,
): () => void {
  let cancel: Cancel | undefined;
  let isClosed = false;
  const partSeen = async ({ place, servers }: StagedPart) => {
    for (const server of servers) {
      const seen = await lookThere(server, site, quietMs);
      if (seen !== undefined) return [place, seen];
    }
    return undefined;
  };
  const look = async () => {
    const seen = await Promise.all(parts.map(partSeen));
    if (isClosed || seen.includes(undefined)) return;
    await changed(createHash('sha256').update(JSON.stringify(seen)).digest('hex').slice(0, 16));
  };
  const goOn = () => {
    if (!isClosed) cancel = clock.schedule(lookEveryMs, again);
  };
  // What fails is tried again at the next look.
  const again = () => void look().then(goOn, goOn);
  again();
  return () => {
    isClosed = true;
    cancel?.();
  };
}
