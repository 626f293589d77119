import type { Shelf } from './pins.js';

/** Small objects that end with the process. */
export function memoryShelf(nowMs: () => number): Shelf {
  const objects = new Map<string, { bytes: Uint8Array; modifiedMs: number }>();
  return {
    async put(key, bytes) {
      objects.set(key, { bytes: Uint8Array.from(bytes), modifiedMs: nowMs() });
    },
    get: async (key) => objects.get(key)?.bytes,
    async remove(key) {
      objects.delete(key);
    },
    async list(prefix) {
      return [...objects]
        .filter(([key]) => key.startsWith(`${prefix}/`))
        .map(([key, { modifiedMs }]) => ({ key, modifiedMs }));
    },
  };
}
