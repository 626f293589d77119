import { defaultGraceMs } from '#libs/content-store/garbage.js';
import { BadConfiguration } from '#libs/nest-jetstream/service-config.js';
import type { CollectionSchedule } from './app/collection.js';

const hourMs = 3_600_000;
const defaultCollectHours = 6;
const defaultAwaySeconds = 20;

/**
 * - `ESPALIER_COLLECT_HOURS`: how often content that nothing keeps is removed; 6, 0 for never.
 * - `ESPALIER_COLLECT_GRACE_HOURS`: how long it stays in any case; 24.
 *
 * @throws BadConfiguration
 */
export function collectionSchedule(env: NodeJS.ProcessEnv): CollectionSchedule {
  return {
    everyMs: hours('ESPALIER_COLLECT_HOURS', env, defaultCollectHours) * hourMs,
    graceMs: hours('ESPALIER_COLLECT_GRACE_HOURS', env, defaultGraceMs / hourMs) * hourMs,
  };
}

/**
 * `ESPALIER_STAGING_WAIT_SECONDS`: how long a run waits for a staging server that says nothing; 20.
 *
 * @throws BadConfiguration
 */
export function stagingAwayMs(env: NodeJS.ProcessEnv): number {
  const text = env.ESPALIER_STAGING_WAIT_SECONDS || String(defaultAwaySeconds);
  if (/^\d{1,5}$/.test(text)) return Number(text) * 1_000;
  throw new BadConfiguration(`ESPALIER_STAGING_WAIT_SECONDS is ${text}; give whole seconds`);
}

function hours(name: string, env: NodeJS.ProcessEnv, otherwise: number): number {
  const text = env[name];
  if (!text) return otherwise;
  if (!/^\d{1,5}(\.\d{1,4})?$/.test(text)) {
    throw new BadConfiguration(`${name} is ${text}; give a number of hours`);
  }
  return Number(text);
}
