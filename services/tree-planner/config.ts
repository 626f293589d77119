import type { Origins } from './domain/reach.js';

/** How assignments are handed out. */
export interface HandOutConfig {
  /** Transfers that the origin serves at a time at least. */
  readonly originFanOut: number;
  /** And at most, where a container is so small that the origin might serve everybody. */
  readonly mostOriginFanOut: number;
  /** How long a leader that another leader tells may take before the origin tells it as well. */
  readonly handOutTimeoutMs: number;
  /** First delay before a leader that did not answer is asked again; doubles each time. */
  readonly retryMs: number;
  /** Unanswered notifications after which a leader has failed. */
  readonly maxAttempts: number;
  /** How long a leader may work before it is told again, in case it lost what it was told. */
  readonly reminderMs: number;
  /** How long a leader may work before the origin serves another in its place as well. */
  readonly hungMs: number;
}

export const defaultHandOutConfig: HandOutConfig = {
  originFanOut: 2,
  mostOriginFanOut: 64,
  handOutTimeoutMs: 5_000,
  retryMs: 500,
  maxAttempts: 6,
  reminderMs: 30_000,
  hungMs: 120_000,
};

/** Thrown when leaders could not be told where to pull from. */
export class MissingOriginUrl extends Error {
  override readonly name = 'MissingOriginUrl';
  constructor() {
    super(
      'ESPALIER_ORIGIN_URL is not set: give the HTTP base URL under which agents reach the gateway',
    );
  }
}

/** The origin's HTTP base URL, without a trailing slash. @throws MissingOriginUrl */
export function originUrl(env: NodeJS.ProcessEnv): string {
  const url = env.ESPALIER_ORIGIN_URL;
  if (!url) throw new MissingOriginUrl();
  return url.replace(/\/+$/, '');
}

/**
 * The origin of each region: `ESPALIER_ORIGIN_URL` is the default one; further control-plane hosts
 * follow in `ESPALIER_REGION_ORIGINS`, as `eu=https://a.example:7801,us=https://b.example:7801`.
 * @throws MissingOriginUrl, BadRegionOrigins
 */
export function originsOf(env: NodeJS.ProcessEnv): Origins {
  const regions = (env.ESPALIER_REGION_ORIGINS ?? '').split(',').filter((text) => text !== '');
  const pairs = regions.map((text): [string, string] => {
    const [, region, url] = /^\s*([\w.-]{1,63})=(https?:\/\/\S+?)\/*\s*$/.exec(text) ?? [];
    if (!region || !url) throw new BadRegionOrigins(text);
    return [region, url];
  });
  return new Map([['', originUrl(env)], ...pairs]);
}

/** Thrown for `ESPALIER_REGION_ORIGINS` that cannot be read. */
export class BadRegionOrigins extends Error {
  override readonly name = 'BadRegionOrigins';
  constructor(text: string) {
    super(`ESPALIER_REGION_ORIGINS has ${text}: give region=URL, separated by commas`);
  }
}
