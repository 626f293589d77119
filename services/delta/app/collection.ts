import type { Clock } from '#libs/clock/clock.js';
import type { ContentStore } from '#libs/content-store/content-store.js';
import { collectGarbage } from '#libs/content-store/garbage.js';
import type { CollectableStore } from '#libs/content-store/pins.js';
import type { Logger } from '#libs/telemetry/logger.js';

export interface CollectionSchedule {
  /** 0: only by command. */
  readonly everyMs: number;
  /** Content that nothing keeps stays for so long. */
  readonly graceMs: number;
}

/**
 * Collects content that nothing keeps, at intervals; several hosts may do so at the same time. A
 * collection that fails changes nothing and is told.
 * @returns ends it, after the collection that runs
 */
export function collectAtIntervals(
  store: ContentStore & CollectableStore,
  { everyMs, graceMs }: CollectionSchedule,
  clock: Clock,
  logger: Logger,
): () => Promise<void> {
  let running = Promise.resolve();
  let cancel: (() => void) | undefined;
  let isEnded = false;
  const collect = async () => {
    try {
      const { removedBlobs, removedBytes } = await collectGarbage(store, { clock, graceMs });
      if (removedBlobs > 0) logger.info('content collected', { removedBlobs, removedBytes });
    } catch (error) {
      logger.error('content cannot be collected', { error: String(error) });
    }
    plan();
  };
  const plan = () => {
    if (everyMs === 0 || isEnded) return;
    cancel = clock.schedule(everyMs, () => {
      running = collect();
    });
  };
  plan();
  return async () => {
    isEnded = true;
    cancel?.();
    await running;
  };
}
