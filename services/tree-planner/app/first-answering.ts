import type { Leaders } from './ports.js';

/** Tries one way after the other until the leader confirms. */
export function firstAnswering(ways: readonly Leaders[]): Leaders {
  return {
    notify: async (leader, notification, httpUrl) => {
      for (const way of ways) {
        if (await way.notify(leader, notification, httpUrl)) return true;
      }
      return false;
    },
  };
}
