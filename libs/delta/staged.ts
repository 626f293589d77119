import { type Manifest, sortByPath, type TreeEntry } from '#libs/content-store/manifest.js';
import { DomainError } from '#libs/contracts/index.js';

/** In the place of a staging directory: `servers:build,media=video` names staging servers. */
const servedPrefix = 'servers:';
const nameForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const directoryMode = 0o755;

/** What of a site comes from staging servers. */
export interface StagedPart {
  /** Where in the site, `/`-separated; empty: all of it. */
  readonly place: string;
  /** Who may bring it; the first that answers does. */
  readonly servers: readonly string[];
}

/** Thrown when two parts of a site have the same path. */
export class OverlappingParts extends DomainError {
  override readonly name = 'OverlappingParts';
  constructor(path: string) {
    super(
      `two staging servers of the site have ${path}`,
      'take it away from one of them, or exclude it with a filter',
    );
  }
}

/** Who stages a site, in the order of places; undefined when `staging` does not say so. */
export function stagedParts(staging: string): readonly StagedPart[] | undefined {
  if (!staging.startsWith(servedPrefix)) return undefined;
  const parts = new Map<string, string[]>();
  for (const text of staging.slice(servedPrefix.length).split(',')) {
    const [, server = '', place = ''] = /^([^=]*)(?:=(.*))?$/s.exec(text) ?? [];
    if (!isServerName(server) || !isPlace(place)) return undefined;
    parts.set(place, [...(parts.get(place) ?? []), server]);
  }
  return [...parts]
    .map(([place, servers]) => ({ place, servers }))
    .sort((a, b) => (a.place < b.place ? -1 : 1));
}

export function isServerName(name: string): boolean {
  return nameForm.test(name);
}

/** @param servers each `name` or `name=place` */
export function servedStaging(servers: readonly string[]): string {
  return servedPrefix + servers.join(',');
}

function isPlace(place: string): boolean {
  if (place === '') return true;
  return place.split('/').every((name) => name !== '' && name !== '.' && name !== '..');
}

/** One tree of what staging servers have, each at its place. @throws OverlappingParts */
export function joinParts(
  parts: readonly { readonly place: string; readonly manifest: Manifest }[],
): Manifest {
  const entries = new Map<string, TreeEntry>();
  const add = (entry: TreeEntry) => {
    const other = entries.get(entry.path);
    if (!other) entries.set(entry.path, entry);
    else if (entry.type !== 'directory' || other.type !== 'directory') {
      throw new OverlappingParts(entry.path);
    }
  };
  for (const { place, manifest } of parts) {
    const names = place === '' ? [] : place.split('/');
    names.forEach((_, index) => {
      const path = names.slice(0, index + 1).join('/');
      add({ type: 'directory', path, mode: directoryMode });
    });
    for (const entry of manifest) {
      add(place === '' ? entry : { ...entry, path: `${place}/${entry.path}` });
    }
  }
  return sortByPath([...entries.values()]);
}
