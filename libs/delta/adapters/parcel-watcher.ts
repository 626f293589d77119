import type { TreeWatcher } from '../watch.js';

/**
 * Notices by `@parcel/watcher`: native, several times as quick to start on large trees as Node's
 * own, and told of overflows. Where it does not run (no binary for the host, too few inotify
 * watches, a network file system), `otherwise` watches.
 */
export function parcelWatcher(otherwise: TreeWatcher): TreeWatcher {
  return {
    watch(path, onChange) {
      let isEnded = false;
      let end: () => void = () => {};
      const replace = () => {
        if (!isEnded) end = otherwise.watch(path, onChange);
      };
      void subscribe(path, onChange).then((unsubscribe) => {
        if (isEnded) unsubscribe();
        else {
          end = unsubscribe;
          // What changed before the watch began was noticed by nobody.
          onChange();
        }
      }, replace);
      return () => {
        isEnded = true;
        end();
      };
    },
  };
}

/** An error later on (an overflow, a root that goes) is a change: a look tells what is left. */
async function subscribe(path: string, onChange: () => void): Promise<() => void> {
  const { default: watcher } = await import('@parcel/watcher');
  const subscription = await watcher.subscribe(path, () => onChange());
  return () => void subscription.unsubscribe().catch(() => undefined);
}
