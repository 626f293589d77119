import type { Notification } from '#libs/contracts/index.js';

/** Where a notification says that a container can be had. */
export interface NotifiedSources {
  /** HTTP base URLs of each stripe, best first. */
  readonly stripes: readonly (readonly string[])[];
  /** URL -> "origin" or a segment. */
  readonly names: ReadonlyMap<string, string>;
}

export function sourcesOf({ stripes, sourceUrls, source }: Notification): NotifiedSources {
  const names = new Map(sourceUrls.slice(0, 1).map((url) => [url, source]));
  for (const { name, url } of stripes.flatMap(({ sources }) => sources)) names.set(url, name);
  return { stripes: stripes.map(({ sources }) => sources.map(({ url }) => url)), names };
}
